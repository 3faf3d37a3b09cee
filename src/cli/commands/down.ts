/** thaw down */
import { resolve } from "node:path";
import { loadCompose, projectName } from "../../api/compose/load.ts";
import type { DownAnswer } from "../../api/thaw.ts";
import { makeCommand } from "../command.ts";
import { defaultComposeFile } from "../compose-file.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";

export const command = ({ client }: Context) =>
  makeCommand("down", "Remove the services of a compose project, their checkpoints and their instances.", [
    ["thaw down", "the project of the compose file in this directory"],
    ["thaw down -p flask", "a project by its name; its file may be gone"],
  ])
    .option("-f, --file <compose.yaml>", "the compose file (default: compose.yaml here)")
    .option("-p, --project <name>", "the project's name (default: the file's `name`, else its directory's)")
    .option("-v, --volumes", "remove the project's volumes, too, with what is in them")
    .action(async ({ file, project, volumes }: { file?: string; project?: string; volumes?: boolean }) => {
      const name = project ?? (await projectOf(file));
      const query = volumes ? { volumes } : {};
      const answer = await client.json<DownAnswer>("projectDown", { params: { project: name }, query });
      print(`${name}: ${answer.removed} ${answer.removed === 1 ? "service" : "services"} removed`);
      for (const volume of answer.volumes) print(`${volume}: removed`);
    });

async function projectOf(file: string | undefined): Promise<string> {
  const path = resolve(file ?? defaultComposeFile());
  return projectName(await loadCompose(path), path);
}
