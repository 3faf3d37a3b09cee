/** thaw up */
import { resolve } from "node:path";
import { loadCompose, projectName } from "../../api/compose/load.ts";
import { resolveService } from "../../api/compose/resolve.ts";
import type { BuildResult } from "../../api/images.ts";
import type { ServiceAnswer } from "../../api/thaw.ts";
import { makeCommand } from "../command.ts";
import { defaultComposeFile } from "../compose-file.ts";
import type { Context } from "../context.ts";
import { print, printError } from "../print.ts";

export const command = (context: Context) =>
  makeCommand(
    "up",
    "Make the services of a compose file: build their images, start each once, checkpoint it when it is ready, and leave it asleep behind its ports until a request comes.",
    [
      ["thaw up -f examples/flask/compose.yaml", "then: curl 'http://127.0.0.1:8001/?key=42'"],
      ["thaw up", "the compose file in this directory"],
    ],
  )
    .option("-f, --file <compose.yaml>", "the compose file (default: compose.yaml here)")
    .option("-p, --project <name>", "the project's name (default: the file's `name`, else its directory's)")
    .action(async ({ file, project }: { file?: string; project?: string }) => {
      const path = resolve(file ?? defaultComposeFile());
      const compose = await loadCompose(path);
      const name = projectName(compose, path, project);
      for (const service of compose.services) await up(context, resolveService(service, name, path, compose.volumes));
    });

async function up({ client }: Context, { build, service }: ReturnType<typeof resolveService>): Promise<void> {
  const progress = (line: string) => printError(`${service.name}: ${line}`);
  if (build !== undefined) await client.progress<BuildResult>("buildCreate", { body: build }, progress);
  const made = await client.progress<ServiceAnswer>("serviceUp", { body: service }, progress);
  for (const port of made.spec.ports)
    print(`${made.id}: ${made.state} at http://${shown(port.hostAddress)}:${port.hostPort}/`);
}

/** An address a browser can be sent to. */
function shown(address: string): string {
  return address === "0.0.0.0" ? "127.0.0.1" : address;
}
