/** thaw stats */
import { isatty } from "node:tty";
import type { ContainerSummary } from "../../api/containers.ts";
import type { StatsResponse } from "../../api/resources.ts";
import { makeCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { print } from "../print.ts";
import { statsRow, statsTable } from "../stats-text.ts";

interface Options {
  all?: boolean;
  stream: boolean;
  format: "table" | "json";
}

/** Moves to the top left and clears from there to the end. */
const TOP = "\u001b[H\u001b[J";

export const command = (context: Context) =>
  makeCommand("stats", "Show what containers use: CPU, memory, network, disk, processes.", [
    ["thaw stats", "all that run, again every second"],
    ["thaw stats --no-stream web", "one container, once"],
    ["thaw stats --no-stream --format json", "one JSON object a line"],
  ])
    .argument("[container...]", "names or ids; all that run when none is given")
    .option("-a, --all", "show also containers that do not run")
    .option("--no-stream", "show them once")
    .choice("--format <format>", "how to show them", ["table", "json"], "table")
    .action((names: string[], options: Options) => show(context, names, options));

async function show(context: Context, names: readonly string[], { all = false, stream, format }: Options) {
  // Where nobody watches a terminal once is enough: a pipe does not end by itself.
  const again = stream && isatty(1);
  do {
    const samples = await sampleAll(context, names, all);
    const text =
      format === "json" ? samples.map((one) => JSON.stringify(statsRow(one))).join("\n") : statsTable(samples);
    if (again && format === "table") print(`${TOP}${text}`);
    else if (text !== "") print(text);
  } while (again);
}

/** Each sample takes the second that a percentage of CPU needs, so all are taken at once. */
async function sampleAll({ client }: Context, names: readonly string[], all: boolean): Promise<StatsResponse[]> {
  const ids = names.length > 0 ? names : await everyId({ client }, all);
  // Between two looks there must be a pause, containers or not.
  if (ids.length === 0) await Bun.sleep(1000);
  return Promise.all(
    ids.map((id) => client.json<StatsResponse>("containerStats", { params: { id }, query: { stream: false } })),
  );
}

async function everyId({ client }: Pick<Context, "client">, all: boolean): Promise<string[]> {
  const rows = await client.json<ContainerSummary[]>("containerList", { query: { all } });
  return rows.map(({ Id }) => Id);
}
