/**
 * Daemon, launcher or keeper killed at random moments while containers come and go. Two more containers run all the
 * time: they live on when the daemon or the keeper is killed, and end with the launcher. After each kill no new
 * containers are begun until what the database says, what the launcher has and what the kernel has are one again.
 */
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";
import { disagreements, takeCensus } from "./census.ts";
import { churn, containerBody, type Network, removeSurely } from "./churn.ts";
import { findServers, type Home, type Server } from "./home.ts";
import { whatIsLeft } from "./leaks.ts";

export interface KillOptions {
  readonly kills: number;
  readonly atOnce: number;
  readonly network: Network;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface KillResult {
  readonly rows: readonly Row[];
  /** Containers that were made in spite of it. */
  readonly made: number;
  /** Calls that failed and were made again, by code and message without its numbers. */
  readonly failures: Readonly<Record<string, number>>;
  /** What did not become one again in time, and what is left at the end. */
  readonly left: readonly string[];
}

const WHO: readonly Server[] = ["daemon", "daemon", "launcher", "launcher", "keeper"];
const SLEEPERS = ["soak-sleeper-a", "soak-sleeper-b"];
const MOST_PAUSE_MS = 400;
const PATIENCE_MS = 15_000;
const POLL_MS = 10;

/** @throws ThawError as the daemon says of what fails again and again. */
export async function killAtRandom(home: Home, options: KillOptions): Promise<KillResult> {
  const { kills, atOnce, network, seed, signal } = options;
  const random = randomOf(seed);
  const gate = new Gate();
  const failures: Record<string, number> = {};
  const times = new Map<Server, { serving: number[]; one: number[] }>();
  const left: string[] = [];
  let made = 0;
  const sleepers = await startSleepers(home, network);
  const failed = ({ code, message }: { code: string; message: string }) => {
    const kind = `${code}: ${message.replace(/[0-9a-f]{12,}|\d+/g, "N")}`;
    failures[kind] = (failures[kind] ?? 0) + 1;
  };
  const churning = churn(home, { network, atOnce, more: () => gate.pass(), done: () => made++, failed });
  churning.catch(() => gate.end());
  for (let round = 0; round < kills && !gate.ended && !signal.aborted; round++) {
    await Bun.sleep(random(MOST_PAUSE_MS));
    const who = WHO[random(WHO.length)] ?? "daemon";
    const { servingMs, oneMs, differs } = await killOne(home, who, gate, sleepers);
    console.error(`    ${round + 1}: ${who} killed, serving after ${servingMs} ms, all one after ${oneMs} ms`);
    const known = times.get(who) ?? { serving: [], one: [] };
    times.set(who, known);
    known.serving.push(servingMs);
    known.one.push(oneMs);
    left.push(...differs.map((what) => `after kill ${round + 1} (${who}, seed ${seed}): ${what}`));
    if (who === "launcher") await wakeSleepers(home);
    gate.open();
  }
  gate.end();
  await churning;
  for (const name of SLEEPERS) await removeSurely(home, name);
  return { rows: rowsOf(times), made, failures, left: [...left, ...(await whatIsLeft(home, []))] };
}

async function killOne(home: Home, who: Server, gate: Gate, sleepers: readonly string[]) {
  const pid = (await findServers(home))[who];
  const from = performance.now();
  process.kill(pid, "SIGKILL");
  gate.close();
  // The client starts a daemon when none answers.
  while (!(await answers(home))) await Bun.sleep(POLL_MS);
  const servingMs = Math.round(performance.now() - from);
  const alive = who === "launcher" ? [] : sleepers;
  for (;;) {
    const differs = disagreements(await takeCensus(home.paths), alive);
    const oneMs = Math.round(performance.now() - from);
    if (differs.length === 0 || oneMs > PATIENCE_MS) return { servingMs, oneMs, differs };
    await Bun.sleep(POLL_MS);
  }
}

function answers({ client }: Home): Promise<boolean> {
  return client.json("daemonStatus").then(
    () => true,
    () => false,
  );
}

async function startSleepers(home: Home, network: Network): Promise<string[]> {
  const ids: string[] = [];
  for (const name of SLEEPERS) {
    const body = containerBody(home, network, ["/bin/sleep", "infinity"], undefined);
    const { Id: id } = await home.client.json<{ Id: string }>("containerCreate", { body, query: { name } });
    await home.client.json("containerStart", { params: { id } });
    ids.push(id);
  }
  return ids;
}

async function wakeSleepers({ client }: Home): Promise<void> {
  for (const id of SLEEPERS) await client.json("containerStart", { params: { id } });
}

function rowsOf(times: ReadonlyMap<Server, { serving: number[]; one: number[] }>): Row[] {
  return [...times].flatMap(([who, { serving, one }]) => [
    { ...summarize(`${who} killed: serves again`, serving, "at random"), params: { part: "kills", who } },
    { ...summarize(`${who} killed: all is one again`, one, "at random"), params: { part: "kills", who } },
  ]);
}

/** Where those wait who would begin something. */
class Gate {
  #passing: PromiseWithResolvers<void> | undefined;
  ended = false;

  /** Resolves when it is open, with false at the end. */
  async pass(): Promise<boolean> {
    await this.#passing?.promise;
    return !this.ended;
  }

  close(): void {
    this.#passing ??= Promise.withResolvers();
  }

  open(): void {
    this.#passing?.resolve();
    this.#passing = undefined;
  }

  end(): void {
    this.ended = true;
    this.open();
  }
}

/** Whole numbers from 0 up to `below`, always the same for a seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
