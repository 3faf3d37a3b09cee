/**
 * `thaw bench create`: what it costs to make a container.
 *
 * The first rows are the critical path that the lean-container literature measures: make the container, its
 * process exits at once, wait for it; timed inside the launcher, around the very code that `thaw run` uses. `private`
 * has mount, pid, ipc and uts namespaces of its own, joins a cgroup leaf in each hierarchy, pivots into a real root with
 * /proc and drops its capabilities; `userns` is the same in a user namespace, its root idmapped; `fresh-cgroup` also makes
 * and removes those leaves each time; `exec-true` runs /bin/true in it. The rows after them are whole commands on the same root, ours and other people's, started and
 * awaited by the same loop, so that they can be compared with each other and not with the first ones.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { parseDuration } from "../api/texts.ts";
import { Cgroups, cleanupPlan, detectCgroups, leanPlan } from "../sandbox/index.ts";
import { commandPlan, listPeers } from "./peers.ts";
import { makeReport, publish } from "./report.ts";
import { makeRoot } from "./root.ts";
import { loopPlan } from "./samples.ts";
import type { Row } from "./schema.ts";
import { summarize } from "./stats.ts";

interface CreateOptions {
  readonly seconds: number;
  readonly paced?: number;
  readonly root?: string;
  readonly peers: boolean;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

const PEER_RUNS = 40;
/** Any will do: nothing is left that has them. */
const BENCH_IDS = { first: 2 ** 30, count: 65_536 };

export function createCommand(): Command {
  return new Command("create")
    .description("make a lean container, let its process exit at once, wait for it; again and again")
    .option("--seconds <n>", "how long each row of the critical path runs", positive, 10)
    .option("--paced <duration>", "one start every so often (20ms) in place of back to back", milliseconds)
    .option("--root <dir>", "root file system to use (default: a small one made of the host's /bin/true)")
    .option("--no-peers", "leave out whole commands: thaw, bwrap, runc, crun")
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText(
      "after",
      "\nExamples:\n  thaw bench create --seconds 10\n  thaw bench create --seconds 5 --paced 20ms --json",
    )
    .action(runCreate);
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError("expected a number above 0");
  return value;
}

function milliseconds(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError("expected a duration such as 20ms");
  return ms;
}

async function runCreate(options: CreateOptions): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "thaw-bench-"));
  try {
    const root = options.root ?? (await makeRoot(join(directory, "root")));
    const rows = [
      ...(await criticalPath(options, root, directory)),
      ...(await wholeCommands(options, root, directory)),
    ];
    await publish(await makeReport("create", rows), options);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const paceOf = ({ paced }: CreateOptions) => (paced === undefined ? "back-to-back" : `one every ${paced} ms`);

async function criticalPath(options: CreateOptions, root: string, directory: string): Promise<Row[]> {
  const cgroups = new Cgroups(detectCgroups(), directory);
  const id = "bench";
  const lean = { id, cgroups, root };
  const cleanup = cleanupPlan(cgroups, id);
  const rows: Row[] = [];
  await cgroups.prepare();
  try {
    const run = async (
      name: string,
      plan: Parameters<typeof loopPlan>[0]["plan"],
      undo: typeof cleanup,
      ahead = false,
    ) => {
      if (!options.json) console.log(`${name}:`);
      const samples = await loopPlan({
        plan,
        cleanup: undo,
        directory,
        seconds: options.seconds,
        ahead,
        intervalUs: (options.paced ?? 0) * 1000,
        ...(options.json ? {} : { onSecond: printSecond }),
      });
      if (!options.json) console.log(`total: start ${samples.length} lean containers in ${options.seconds} second(s)`);
      rows.push(summarize(name, samples, paceOf(options)));
    };
    await run("private", leanPlan(lean), []);
    await run("userns", leanPlan({ ...lean, ids: BENCH_IDS }), []);
    await run("private-net", leanPlan({ ...lean, network: true }), []);
    await run("pooled", leanPlan(lean), [], true);
    await run("pooled-net", leanPlan({ ...lean, network: true }), [], true);
    await run("fresh-cgroup", leanPlan(lean), cleanup);
    await run("exec-true", leanPlan({ ...lean, argv: ["/bin/true"], env: ["PATH=/bin"] }), []);
  } finally {
    await loopPlan({ plan: cleanup, directory, count: 1, intervalUs: 0 });
    await cgroups.removeParents();
  }
  return rows;
}

function printSecond(samples: readonly number[], seconds: number): void {
  const each = samples.reduce((sum, ms) => sum + ms, 0) / Math.max(1, samples.length);
  console.log(
    `start ${samples.length} lean containers in ${seconds.toFixed(6)} second(s), latency per container ${each.toFixed(6)}ms`,
  );
}

async function wholeCommands(options: CreateOptions, root: string, directory: string): Promise<Row[]> {
  if (!options.peers) return [];
  const rows: Row[] = [];
  for (const peer of await listPeers(root, directory)) {
    if (peer.argv === undefined) {
      rows.push(summarize(peer.name, [], paceOf(options), peer.absent));
      continue;
    }
    try {
      const samples = await loopPlan({
        plan: commandPlan(peer.argv),
        directory,
        count: PEER_RUNS,
        intervalUs: (options.paced ?? 0) * 1000,
      });
      const failed = await peer.check?.();
      rows.push(summarize(peer.name, failed === undefined ? samples : [], paceOf(options), failed ?? "whole command"));
    } finally {
      await peer.cleanup?.();
    }
  }
  return rows;
}
