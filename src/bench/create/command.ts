/**
 * `thaw bench create`: what it costs to make a container. Two kinds of rows, which are not to be compared with each
 * other: the critical path (critical.ts), timed inside the launcher, and whole commands (peers.ts), ours and other
 * people's, from exec to exit. All of them are measured in one run and by turns (lanes.ts), back to back and paced,
 * because back to back hides what sporadic starts pay; the critical path also several at a time. Everything is made in
 * directories, cgroup leaves and namespaces of the benchmark's own, which are gone at its end, also when it is interrupted.
 */

import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { interruptible, milliseconds } from "../interruptible.ts";
import { positive, whole, wholes } from "../options.ts";
import { makeReport, publish } from "../report.ts";
import type { Row } from "../schema.ts";
import { commandLanes } from "./commands.ts";
import { CRITICAL, type CriticalName, criticalLanes } from "./critical.ts";
import { type Lane, takeTurns } from "./lanes.ts";
import { preparePeers } from "./peers.ts";
import { makeRoot } from "./root.ts";
import { renderCreate } from "./text.ts";

interface CreateOptions {
  readonly only: readonly CriticalName[];
  readonly seconds: number;
  readonly runs: number;
  readonly paced: number;
  readonly atOnce: readonly number[];
  readonly root?: string;
  readonly peers: boolean;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const NAMES = Object.keys(CRITICAL) as CriticalName[]; // the keys of a literal
/** Long enough for some paced runs, short enough that all rows see the same of the machine. */
const SLICE_SECONDS = 0.5;
const MOST_AT_ONCE = 64;
const HELP = `
Rows of the critical path:
${NAMES.map((name) => `  ${name.padEnd(20)}${CRITICAL[name]}`).join("\n")}
All but private-unfiltered have thaw's default seccomp filter, all have its default capabilities.

Examples:
  thaw bench create --seconds 10
  thaw bench create --only private,pooled --no-peers --paced 50ms --json-file create.json`;

export function createCommand(): Command {
  return new Command("create")
    .description("make a lean container, let its process exit at once, wait for it; beside other programs")
    .option("--seconds <n>", "how long each row of the critical path runs", positive, 4)
    .option("--runs <n>", "how often each whole command runs", whole, 40)
    .option("--paced <duration>", "from one start to the next in the paced rows", milliseconds, 20)
    .option("--at-once <list>", "how many are made at a time, back to back", wholes(MOST_AT_ONCE), [1, 2, 4, 8])
    .option("--only <rows>", "some rows of the critical path", names, NAMES)
    .option("--root <dir>", "root file system to use (default: a small one made of the host's /bin/true)")
    .option("--no-peers", "leave out whole commands: thaw, bwrap, crun, runc, podman, docker")
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText("after", HELP)
    .action(runCreate);
}

function names(text: string): CriticalName[] {
  return text.split(",").map((word) => {
    const name = NAMES.find((known) => known === word.trim());
    if (name === undefined) throw new InvalidArgumentError(`expected some of ${NAMES.join(", ")}`);
    return name;
  });
}

async function runCreate(options: CreateOptions): Promise<void> {
  await interruptible(async (directory, signal) => {
    const rows = await measureAll(options, directory, signal);
    await publish(await makeReport("create", rows), options, renderCreate);
  });
}

async function measureAll(options: CreateOptions, directory: string, signal: AbortSignal): Promise<Row[]> {
  const { seconds, paced: pacedMs, atOnce, only } = options;
  const root = options.root ?? (await makeRoot(join(directory, "root")));
  const rounds = Math.max(1, Math.round(seconds / SLICE_SECONDS));
  const sliceSeconds = seconds / rounds;
  const undo: (() => Promise<void>)[] = [];
  try {
    const critical = await criticalLanes({ only, root, directory, sliceSeconds, pacedMs, atOnce, signal });
    undo.push(critical.remove);
    const commands: Lane[] = [];
    if (options.peers) {
      const { peers, remove } = await preparePeers(root, directory, signal);
      undo.push(remove);
      const sliceRuns = Math.ceil(options.runs / rounds);
      commands.push(...(await commandLanes(peers, { directory, sliceRuns, pacedMs, signal })));
    }
    // To stderr, so that stdout is the result, whichever form it has.
    const announce = (round: number) => console.error(`round ${round} of ${rounds}`);
    return await takeTurns([...critical.lanes, ...commands], { rounds, signal, announce });
  } finally {
    for (const step of undo.toReversed()) await step();
  }
}
