/** Many containers that are alive at one time: how long it takes to get there, and what each of them costs. */
import { readFileSync } from "node:fs";
import type { ContainerSummary } from "../../api/containers.ts";
import { ThawError } from "../../common/errors.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";
import { inTurns } from "../turns.ts";
import { takeCensus } from "./census.ts";
import { containerBody, type Network } from "./churn.ts";
import { findServers, type Home } from "./home.ts";
import { whatIsLeft } from "./leaks.ts";
import { holdingsOf, processTree } from "./processes.ts";

export interface AliveOptions {
  readonly alive: number;
  readonly atOnce: number;
  readonly network: Network;
  readonly signal: AbortSignal;
}

export interface AliveResult {
  readonly rows: readonly Row[];
  /** In bytes, for one container, where the name does not say otherwise. */
  readonly cost: Readonly<Record<string, number>>;
  readonly left: readonly string[];
}

const KB = 1024;
const FIELDS = ["MemAvailable", "Slab", "PageTables", "KernelStack", "Percpu"] as const;
type Memory = Readonly<Record<(typeof FIELDS)[number], number>>;

/** Starts them, looks, and removes them. @throws ThawError as the daemon says, INTERNAL when some do not run. */
export async function keepAlive(home: Home, options: AliveOptions): Promise<AliveResult> {
  const { alive, network, signal } = options;
  // The bridge, the filter and the first pages of everything are not the containers' own.
  const [first] = await startAll(home, { ...options, alive: 1 });
  await removeAll(home, options, first === undefined ? [] : [first.id]);
  const before = await look(home);
  const from = performance.now();
  const started = await startAll(home, options);
  const startedMs = performance.now() - from;
  const ids = started.map(({ id }) => id);
  await expectRunning(home, ids);
  const cost = costOf(before, await look(home), alive, await ownPages(home));
  const beginRemoval = performance.now();
  const removed = await removeAll(home, options, ids);
  const removedMs = performance.now() - beginRemoval;
  signal.throwIfAborted();
  const row = (name: string, samples: readonly number[], ms: number): Row => ({
    ...summarize(`${name}, ${alive} alive, ${network}`, samples, `${options.atOnce} at a time`),
    per_second: Math.round((samples.length / ms) * 1000),
    params: { part: "alive", network, alive },
  });
  const starts = started.map(({ ms }) => ms);
  const rows = [row("start", starts, startedMs), row("kill and remove", removed, removedMs)];
  return { rows, cost, left: await whatIsLeft(home, []) };
}

interface Started {
  readonly id: string;
  readonly ms: number;
}

async function startAll(home: Home, { alive, network, atOnce, signal }: AliveOptions): Promise<Started[]> {
  const { client } = home;
  const body = containerBody(home, network, ["/bin/sleep", "infinity"], undefined);
  return inTurns(Array.from({ length: alive }), atOnce, signal, async () => {
    const from = performance.now();
    const { Id: id } = await client.json<{ Id: string }>("containerCreate", { body });
    await client.json("containerStart", { params: { id } });
    return { id, ms: performance.now() - from };
  });
}

async function removeAll(home: Home, { atOnce, signal }: AliveOptions, ids: readonly string[]): Promise<number[]> {
  return inTurns(ids, atOnce, signal, async (id) => {
    const from = performance.now();
    await home.client.json("containerRemove", { params: { id }, query: { force: true } });
    return performance.now() - from;
  });
}

async function expectRunning({ client }: Home, ids: readonly string[]): Promise<void> {
  const list = await client.json<ContainerSummary[]>("containerList");
  const running = new Set(list.filter(({ State }) => State === "running").map(({ Id }) => Id));
  const missing = ids.filter((id) => !running.has(id));
  if (missing.length > 0) throw new ThawError("INTERNAL", `${missing.length} of ${ids.length} containers do not run`);
}

interface Look {
  readonly memory: Memory;
  readonly daemonRss: number;
  readonly launcherRss: number;
  readonly launcherFds: number;
  /** Made ahead: these cost nearly the same. */
  readonly parked: number;
}

async function look(home: Home): Promise<Look> {
  await home.client.json("daemonStatus", { query: { memory: true } });
  const { daemon, launcher } = await findServers(home);
  const { rssBytes: launcherRss, fds: launcherFds } = holdingsOf(launcher);
  const { parked } = await takeCensus(home.paths);
  return { memory: readMemory(), daemonRss: holdingsOf(daemon).rssBytes, launcherRss, launcherFds, parked };
}

function readMemory(): Memory {
  const text = readFileSync("/proc/meminfo", "utf8");
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * KB;
  const [available, slab, tables, stacks, percpu] = FIELDS.map(bytes);
  const or0 = (value: number | undefined) => value ?? 0;
  return {
    MemAvailable: or0(available),
    Slab: or0(slab),
    PageTables: or0(tables),
    KernelStack: or0(stacks),
    Percpu: or0(percpu),
  };
}

/** Sum of the proportional pages of all processes of containers. */
async function ownPages({ paths }: Home): Promise<number> {
  const { leaves } = await takeCensus(paths);
  return processTree(paths, leaves).reduce((sum, { pid }) => sum + holdingsOf(pid).pssBytes, 0);
}

function costOf(before: Look, after: Look, alive: number, pss: number): Record<string, number> {
  const sandboxes = alive + after.parked - before.parked;
  const each = (name: keyof Memory) => Math.round((after.memory[name] - before.memory[name]) / sandboxes);
  const ours = (value: number) => Math.round(value / alive);
  return {
    processes_pss: ours(pss),
    machine_memory: -each("MemAvailable"),
    slab: each("Slab"),
    page_tables: each("PageTables"),
    kernel_stacks: each("KernelStack"),
    percpu: each("Percpu"),
    daemon_rss: ours(after.daemonRss - before.daemonRss),
    launcher_rss: ours(after.launcherRss - before.launcherRss),
    launcher_fds: Math.round(((after.launcherFds - before.launcherFds) / sandboxes) * 10) / 10,
    parked: after.parked,
  };
}
