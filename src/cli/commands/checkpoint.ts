/** thaw checkpoint create | ls | inspect | rm | export | import */
import type { CheckpointAnswer } from "../../api/thaw.ts";
import { exportCheckpoint, importCheckpoint } from "../checkpoint-archive.ts";
import { createCheckpoint } from "../checkpoint-create.ts";
import { forEachName, makeCommand, makeGroup } from "../command.ts";
import type { Context } from "../context.ts";
import { ageText, bytesText, failedToo, plain, print, printJson, table } from "../print.ts";

export const command = (context: Context) =>
  makeGroup(
    "checkpoint",
    "Make, list, show, remove and move checkpoints: running processes kept as files.",
    [
      ["thaw checkpoint create web warm", "dump the container web, which ends"],
      ["thaw restore warm", "and start it again where it was"],
    ],
    [
      createCheckpoint(context),
      list(context),
      inspect(context),
      remove(context),
      exportCheckpoint(context),
      importCheckpoint(context),
    ],
  );

function list({ client }: Context) {
  return makeCommand("ls", "List checkpoints.", [
    ["thaw checkpoint ls", "names, sizes and the engine that will restore each"],
    ["thaw checkpoint ls --json", "all that is known, as JSON"],
  ])
    .option("-q, --quiet", "show only names")
    .option("--json", "show all that is known as JSON")
    .action(async ({ quiet = false, json = false }: { quiet?: boolean; json?: boolean }) => {
      const all = await client.json<CheckpointAnswer[]>("checkpointList");
      if (json) return printJson(all);
      const text = quiet ? all.map(({ name }) => name).join("\n") : table(HEADER, all.map(row));
      if (text !== "") print(text);
    });
}

const HEADER = ["NAME", "IMAGE", "CONTAINER", "CREATED", "SIZE", "ON DISK", "ENGINE", "RESTORABLE"];

function row({
  name,
  image,
  containerName,
  createdAt,
  sizeBytes,
  storedBytes,
  engine,
  incompatibilities,
}: CheckpointAnswer): string[] {
  const restorable = incompatibilities.length === 0 ? "yes" : `no: ${incompatibilities[0]}`;
  return [
    name,
    image,
    containerName,
    ageText(createdAt),
    bytesText(sizeBytes),
    bytesText(storedBytes),
    engine,
    restorable,
  ].map(plain);
}

function inspect({ client }: Context) {
  return makeCommand("inspect", "Show all about checkpoints as a JSON list.", [
    ["thaw checkpoint inspect warm", "also which engine restores it, and why not a faster one"],
  ])
    .argument("<name...>", "names")
    .action(async (names: string[]) => {
      const found: CheckpointAnswer[] = [];
      for (const name of names)
        found.push(await client.json<CheckpointAnswer>("checkpointInspect", { params: { name } }));
      printJson(found);
    });
}

function remove({ client }: Context) {
  return makeCommand("rm", "Remove checkpoints.", [["thaw checkpoint rm warm", "its files are deleted"]])
    .argument("<name...>", "names")
    .action(async (names: string[]) => {
      await forEachName(
        names,
        async (name) => {
          await client.send("checkpointRemove", { params: { name } });
          print(name);
        },
        failedToo,
      );
    });
}
