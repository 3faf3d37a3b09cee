/**
 * `thaw bench soak`: whether a daemon that is used much, and badly, stays what it was. Four parts: thousands of
 * containers made and removed (leaks.ts), hundreds alive at a time (alive.ts), and the processes that serve killed at
 * random (kills.ts); and one checkpoint restored thousands of times (restores.ts). What should be nothing at the end and is not, is said, and the exit code is 1 then.
 */
import { resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { makeReport, publish } from "../report.ts";
import type { Report, Row } from "../schema.ts";
import { keepAlive } from "./alive.ts";
import type { Network } from "./churn.ts";
import { type Home, withHome } from "./home.ts";
import { killAtRandom } from "./kills.ts";
import { findLeaks } from "./leaks.ts";
import { soakRestores } from "./restores.ts";
import { renderSoak } from "./text.ts";

interface SoakOptions {
  readonly count: number;
  readonly alive: number;
  readonly kills: number;
  readonly restores: number;
  readonly root: string;
  readonly atOnce: number;
  readonly network: Network;
  readonly seed?: number;
  readonly settle: boolean;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const NETWORKS: readonly Network[] = ["bridge", "none", "host"];
const SEEDS = 1_000_000;
const INTERRUPTED = 130;
const HELP = `
A part with 0 is left out. Containers run the host's own /bin/true or /bin/sleep in a small root.

Examples:
  thaw bench soak --json-file soak.json
  thaw bench soak --count 1000 --alive 0 --kills 0 --network none
  thaw bench soak --count 0 --alive 0 --kills 50 --seed 7
  thaw bench soak --count 0 --alive 0 --kills 0 --restores 10000`;

export function soakCommand(): Command {
  return new Command("soak")
    .description("make and remove containers by the thousand, keep hundreds alive, kill what serves: what is left?")
    .option("--count <n>", "containers to make and remove, after a warm-up", natural, 10_000)
    .option("--alive <n>", "containers to keep alive at a time", natural, 500)
    .option("--kills <n>", "kills of daemon, launcher and keeper", natural, 20)
    .option("--restores <n>", "restores of one checkpoint, a tenth of them killed on their way", natural, 0)
    .option("--root <directory>", "where tests/fixtures is, for the program that judges restores", ".")
    .option("--at-once <n>", "how many are made at a time", natural, 8)
    .addOption(new Option("--network <kind>", "what containers are in").choices(NETWORKS).default("bridge"))
    .option("--seed <n>", "of the random moments of the kills, as an earlier run printed it", natural)
    .option("--no-settle", "do not wait for the pool to be empty before levels are compared")
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText("after", HELP)
    .action(runSoak);
}

function natural(text: string): number {
  if (!/^\d{1,7}$/.test(text)) throw new InvalidArgumentError("expected a whole number");
  return Number(text);
}

async function runSoak(options: SoakOptions): Promise<void> {
  const interrupt = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const) process.once(name, () => interrupt.abort());
  try {
    const report = await withHome((home) => soak(home, options, interrupt.signal));
    await publish(report, options, renderSoak);
    if (leftIn(report).length > 0) process.exitCode = 1;
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    console.error("interrupted");
    process.exitCode = INTERRUPTED;
  }
}

async function soak(home: Home, options: SoakOptions, signal: AbortSignal): Promise<Report> {
  const { count, alive, kills, restores, seed = Math.floor(Math.random() * SEEDS) } = options;
  const rows: Row[] = [];
  const extra: Record<string, unknown> = {};
  const left: string[] = [];
  // In order of what a part needs: the first wants a daemon that did nothing before.
  if (count > 0) {
    console.error(`==> ${count} containers, ${options.atOnce} at a time`);
    const { left: ofLeaks, rows: rowsOfLeaks, ...levels } = await findLeaks(home, { ...options, signal });
    rows.push(...rowsOfLeaks);
    left.push(...ofLeaks);
    extra.leaks = levels;
  }
  const costs: Record<string, unknown> = {};
  for (const network of alive > 0 ? new Set<Network>([options.network, "none"]) : []) {
    console.error(`==> ${alive} alive, network ${network}`);
    const result = await keepAlive(home, { ...options, network, signal });
    rows.push(...result.rows);
    left.push(...result.left);
    costs[network] = result.cost;
  }
  if (alive > 0) extra.alive = costs;
  if (kills > 0) {
    console.error(`==> ${kills} kills, seed ${seed}`);
    const { rows: rowsOfKills, left: ofKills, ...rest } = await killAtRandom(home, { ...options, seed, signal });
    rows.push(...rowsOfKills);
    left.push(...ofKills);
    extra.kills = { seed, ...rest };
  }
  if (restores > 0) {
    console.error(`==> ${restores} restores, ${options.atOnce} at a time, seed ${seed}`);
    const result = await soakRestores(home, { ...options, root: resolve(options.root), seed, signal });
    const { rows: rowsOfRestores, left: ofRestores, ...rest } = result;
    rows.push(...rowsOfRestores);
    left.push(...ofRestores);
    extra.restores = { seed, ...rest };
  }
  signal.throwIfAborted();
  return makeReport("soak", rows, { ...extra, left });
}

function leftIn({ extra }: Report): readonly unknown[] {
  return Array.isArray(extra?.left) ? extra.left : [];
}
