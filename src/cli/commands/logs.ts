/** thaw logs */
import type { ContainerDetails } from "../../api/containers.ts";
import { StdcopyReader } from "../../api/stdcopy.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { countOption } from "../options.ts";
import { Output } from "../output.ts";

interface Options {
  follow?: boolean;
  tail: string;
  timestamps?: boolean;
}

export const command = (context: Context) =>
  makeCommand("logs", "Show what a container wrote to its stdout and stderr.", [
    ["thaw logs web", "everything so far"],
    ["thaw logs -f --tail 10 web", "the last ten lines, and on until it exits"],
    ["thaw logs -t web", "a time before each line"],
  ])
    .argument("<container>", "name or id")
    .option("-f, --follow", "go on as the container writes, until it exits")
    .option("-n, --tail <lines>", "only that many lines from the end, or all", "all")
    .option("-t, --timestamps", "put the time before each line")
    .action((id: string, options: Options) => showLogs(context, id, options));

async function showLogs(
  { client }: Context,
  id: string,
  { follow = false, tail, timestamps = false }: Options,
): Promise<void> {
  const lines = tail === "all" ? "all" : countOption("--tail", tail);
  const { Config } = await client.json<ContainerDetails>("containerInspect", { params: { id } });
  const query = { stdout: 1, stderr: 1, follow, timestamps, tail: lines };
  const response = await client.send("containerLogs", { params: { id }, query });
  const output = new Output();
  const reader = new StdcopyReader((stream, bytes) => output.write(stream, bytes));
  for await (const chunk of response.body ?? []) {
    if (Config.Tty) output.write("stdout", chunk);
    else reader.push(chunk);
    await output.flush();
  }
}
