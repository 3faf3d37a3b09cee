/**
 * Containers made and removed by the thousand. What may grow is looked at after a warm-up and at the end, when the pool
 * has let go of what it kept; and the last thousand is timed beside the first.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { DaemonStatus } from "../../api/thaw.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";
import { disagreements, takeCensus } from "./census.ts";
import { churn, type Network } from "./churn.ts";
import { findServers, type Home, type Server } from "./home.ts";
import { holdingsOf } from "./processes.ts";

export interface LeakOptions {
  readonly count: number;
  readonly atOnce: number;
  readonly network: Network;
  /** Whether to wait until the pool is empty, which takes up to a minute. */
  readonly settle: boolean;
  readonly signal: AbortSignal;
}

/** What is the same number before and after, if nothing leaks. */
export type Level = Readonly<Record<string, number>>;

export interface LeakResult {
  readonly rows: readonly Row[];
  readonly before: Level;
  readonly after: Level;
  /** While it went on. */
  readonly during: readonly Level[];
  /** What was left and should not be, in words. */
  readonly left: readonly string[];
}

const THOUSAND = 1000;
const SETTLE_MS = 90_000;
const SETTLE_POLL_MS = 1000;
/** Directories go a moment after their containers. */
const GRACE_MS = 5000;
const POLL_MS = 250;

/** @throws ThawError as the daemon says of what failed. */
export async function findLeaks(home: Home, options: LeakOptions): Promise<LeakResult> {
  const { count, signal } = options;
  const warmUp = Math.min(THOUSAND, Math.ceil(count / 4));
  await make(home, options, warmUp, () => {});
  const before = await quietLevel(home, options);
  const during: Level[] = [];
  const samples: number[] = [];
  const ended: number[] = [];
  const from = performance.now();
  await make(home, options, count, (ms) => {
    samples.push(ms);
    ended.push(performance.now() - from);
    if (samples.length % THOUSAND !== 0) return;
    console.error(`    ${samples.length} of ${count}, ${thousandOf(samples, ended, samples.length - THOUSAND)}`);
    void level(home).then((now) => during.push({ done: samples.length, ...now }));
  });
  signal.throwIfAborted();
  const left = await whatIsLeft(home, []);
  const after = await quietLevel(home, options);
  return { rows: rowsOf(samples, ended, options), before, after, during, left };
}

async function make(home: Home, { atOnce, network, signal }: LeakOptions, count: number, done: (ms: number) => void) {
  let begun = 0;
  const more = async () => !signal.aborted && begun++ < count;
  await churn(home, { network, atOnce, more, done });
}

function thousandOf(samples: readonly number[], ended: readonly number[], from: number): string {
  const { p50_ms, p99_ms } = summarize("", samples.slice(from, from + THOUSAND), "");
  return `${perSecond(ended, from, from + THOUSAND)} a second, p50 ${p50_ms} ms, p99 ${p99_ms} ms`;
}

function perSecond(ended: readonly number[], from: number, to: number): number {
  const seconds = ((ended[Math.min(to, ended.length) - 1] ?? 0) - (ended[from - 1] ?? 0)) / 1000;
  return Math.round((Math.min(to, ended.length) - from) / seconds);
}

function rowsOf(samples: readonly number[], ended: readonly number[], { atOnce, network }: LeakOptions): Row[] {
  const each = Math.min(THOUSAND, Math.ceil(samples.length / 2));
  const part = (name: string, from: number, to: number): Row => ({
    ...summarize(name, samples.slice(from, to), `${atOnce} at a time`, "made, started, awaited, removed"),
    per_second: perSecond(ended, from, to),
    params: { part: "leaks", network, at_once: atOnce },
  });
  const total = samples.length;
  return [part(`first ${each}`, 0, each), part(`last ${each}`, total - each, total), part(`all ${total}`, 0, total)];
}

/** The levels when nothing is under way. */
export async function quietLevel(home: Home, { settle }: Pick<LeakOptions, "settle">): Promise<Level> {
  const until = performance.now() + SETTLE_MS;
  while (settle && performance.now() < until) {
    // First, because the pool makes new ones a moment after the last was taken.
    await Bun.sleep(SETTLE_POLL_MS);
    if ((await takeCensus(home.paths)).parked === 0) break;
  }
  return level(home);
}

async function level(home: Home): Promise<Level> {
  const servers = await findServers(home);
  const held = await home.client.json<DaemonStatus>("daemonStatus", { query: { memory: true } });
  const names: readonly Server[] = ["daemon", "launcher", "keeper"];
  const each = names.map((name): Level => {
    const { rssBytes, anonymousBytes, fds } = holdingsOf(servers[name]);
    return { [`${name}_rss_bytes`]: rssBytes, [`${name}_anonymous_bytes`]: anonymousBytes, [`${name}_fds`]: fds };
  });
  const { parked, spares } = await takeCensus(home.paths);
  return {
    ...Object.assign({}, ...each),
    daemon_heap_bytes: held.memory?.heapBytes ?? 0,
    daemon_objects: held.memory?.objects ?? 0,
    parked,
    spare_leaves: spares,
    files_in_run: readdirSync(home.paths.run).length,
    ...machineLevel(),
  };
}

/** Of the whole machine: others have a share in it. */
function machineLevel(): Level {
  const memory = /^memory\t\d+\t(\d+)/m.exec(readFileSync("/proc/cgroups", "utf8"))?.[1];
  const slabs = /^net_namespace +(\d+)/m.exec(readFileSync("/proc/slabinfo", "utf8"))?.[1];
  return {
    machine_memory_cgroups: Number(memory ?? 0),
    machine_net_namespaces: Number(slabs ?? 0),
    machine_mounts: readFileSync("/proc/self/mounts", "utf8").split("\n").length - 1,
    machine_interfaces: readdirSync("/sys/class/net").length,
  };
}

/** What is there beside these containers, when it has had time to go. Empty: nothing. */
export async function whatIsLeft({ paths }: Home, alive: readonly string[]): Promise<string[]> {
  const until = performance.now() + GRACE_MS;
  for (;;) {
    const census = await takeCensus(paths);
    const strange = census.rows.filter((id) => !alive.includes(id)).map((id) => `container ${id}`);
    const files = census.directories.length <= alive.length ? [] : [`directories ${census.directories.join(", ")}`];
    const left = [...strange, ...files, ...disagreements(census, alive)];
    if (left.length === 0 || performance.now() > until) return left;
    await Bun.sleep(POLL_MS);
  }
}
