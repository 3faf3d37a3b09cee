/** thaw checkpoint create | ls | inspect | rm */
import type { CheckpointAnswer } from "../../api/thaw.ts";
import { forEachName, makeCommand, makeGroup } from "../command.ts";
import type { Context } from "../context.ts";
import { bad } from "../options.ts";
import { ageText, bytesText, failedToo, plain, print, printJson, table } from "../print.ts";

export const command = (context: Context) =>
  makeGroup(
    "checkpoint",
    "Make, list, show and remove checkpoints: running processes kept as files.",
    [
      ["thaw checkpoint create web warm", "dump the container web, which ends"],
      ["thaw restore warm", "and start it again where it was"],
    ],
    [create(context), list(context), inspect(context), remove(context)],
  );

function create({ client }: Context) {
  return makeCommand(
    "create",
    "Dump a running container's processes into a checkpoint. The container ends unless told otherwise.",
    [
      ["thaw checkpoint create web warm", "the container web as the checkpoint warm"],
      ["thaw checkpoint create --leave-running web warm", "and let it go on"],
    ],
  )
    .argument("<container>", "name or id of a running container")
    .argument("<name>", "the checkpoint's name")
    .option("--leave-running", "let the container go on")
    .option("--tcp-established <close|keep>", "what becomes of connections within the container (default: close)")
    .action(async (container: string, name: string, options: { leaveRunning?: boolean; tcpEstablished?: string }) => {
      const { leaveRunning = false, tcpEstablished = "close" } = options;
      const body = { container, name, leaveRunning, connections: connectionsOption(tcpEstablished) };
      const made = await client.json<CheckpointAnswer>("checkpointCreate", { body });
      print(`${made.name}: ${bytesText(made.sizeBytes)}, frozen for ${made.frozenMs.toFixed(1)} ms`);
    });
}

function connectionsOption(text: string): "close" | "keep" {
  if (text === "close" || text === "keep") return text;
  throw bad("--tcp-established", "close or keep", text);
}

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

const HEADER = ["NAME", "IMAGE", "CONTAINER", "CREATED", "SIZE", "ENGINE", "RESTORABLE"];

function row({
  name,
  image,
  containerName,
  createdAt,
  sizeBytes,
  engine,
  incompatibilities,
}: CheckpointAnswer): string[] {
  const restorable = incompatibilities.length === 0 ? "yes" : `no: ${incompatibilities[0]}`;
  return [name, image, containerName, ageText(createdAt), bytesText(sizeBytes), engine, restorable].map(plain);
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
