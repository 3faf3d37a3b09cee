/**
 * One checkpoint, restored thousands of times, several at a time, of a program that judges itself after each. A tenth is
 * killed at a random moment on its way, by the daemon or by a signal to whatever process of it there is just then. At the
 * end nothing may be left, nothing may have grown, and no answer may have been wrong.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointAnswer } from "../../api/thaw.ts";
import { asThawError } from "../../common/errors.ts";
import { Cgroups, detectCgroups } from "../../sandbox/index.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";
import { containerBody, removeSurely } from "./churn.ts";
import type { Home } from "./home.ts";
import { firstJudgement, JUDGE_ARGV, judgeSelf, makeJudge } from "./judge.ts";
import { randomOf } from "./kills.ts";
import { type Level, quietLevel, whatIsLeft } from "./leaks.ts";

export interface RestoresOptions {
  readonly restores: number;
  readonly atOnce: number;
  /** The project's directory. */
  readonly root: string;
  readonly settle: boolean;
  readonly seed: number;
  readonly signal: AbortSignal;
}

export interface RestoresResult {
  readonly rows: readonly Row[];
  readonly engine: string;
  readonly reasons: readonly string[];
  readonly right: number;
  readonly killed: number;
  /** What the program, or the daemon, said of restores that nobody killed. */
  readonly wrong: readonly string[];
  /** What became of those that were killed. */
  readonly killedWhere: Readonly<Record<string, number>>;
  readonly before: Level;
  readonly after: Level;
  readonly left: readonly string[];
}

const CHECKPOINT = "soak-judge";
/**
 * Few addresses, which are given again and again: the kernel remembers a thousand neighbours for half a minute, and
 * then the next one cannot be reached from this machine.
 */
const NETWORK = { Name: "soak", IPAM: { Config: [{ Subnet: "10.213.77.0/25" }] } };
const WARM_UP = 50;
const KILL_ONE_OF = 10;
const PROGRESS_EVERY = 500;
const MOST_WORDS = 20;

/** What is counted while it goes on. */
interface Tally {
  readonly restoreMs: number[];
  readonly judgeMs: number[];
  readonly wrong: string[];
  readonly killedWhere: Record<string, number>;
  right: number;
  killed: number;
}

/** @throws ThawError as the daemon says when there is no checkpoint to be had. */
export async function soakRestores(home: Home, options: RestoresOptions): Promise<RestoresResult> {
  const { restores, signal } = options;
  const { engine, reasons } = await makeCheckpoint(home, options.root);
  await restoreAll(home, { ...options, restores: Math.min(WARM_UP, restores) }, newTally());
  const before = await quietLevel(home, options);
  const tally = newTally();
  const from = performance.now();
  await restoreAll(home, options, tally);
  const ms = performance.now() - from;
  signal.throwIfAborted();
  const left = await whatIsLeft(home, []);
  const after = await quietLevel(home, options);
  await home.client.json("checkpointRemove", { params: { name: CHECKPOINT } });
  await home.client.json("networkRemove", { params: { id: NETWORK.Name } });
  const files = readdirSync(home.paths.checkpoints).map(
    (name) => `${join(home.paths.checkpoints, name)} of a removed checkpoint`,
  );
  const { right, killed, wrong, killedWhere } = tally;
  const missed = wrong.length === 0 ? [] : [`${wrong.length} wrong restores (seed ${options.seed})`];
  return {
    ...{ rows: rowsOf(tally, ms, options), engine, reasons, right, killed, wrong: wrong.slice(0, MOST_WORDS) },
    ...{ killedWhere, before, after, left: [...left, ...files, ...missed] },
  };
}

const newTally = (): Tally => ({ restoreMs: [], judgeMs: [], wrong: [], killedWhere: {}, right: 0, killed: 0 });

async function makeCheckpoint(home: Home, root: string): Promise<CheckpointAnswer> {
  const { client } = home;
  await makeJudge(home, root);
  await client.json("networkCreate", { body: NETWORK });
  const any = containerBody(home, "bridge", JUDGE_ARGV, undefined);
  const body = { ...any, HostConfig: { ...any.HostConfig, NetworkMode: NETWORK.Name } };
  const { Id: id } = await client.json<{ Id: string }>("containerCreate", { body, query: { name: CHECKPOINT } });
  await client.json("containerStart", { params: { id } });
  await firstJudgement(home, id);
  const made = await client.json<CheckpointAnswer>("checkpointCreate", { body: { container: id, name: CHECKPOINT } });
  await removeSurely(home, id);
  return made;
}

async function restoreAll(home: Home, options: RestoresOptions, tally: Tally): Promise<void> {
  const random = randomOf(options.seed);
  let begun = 0;
  const work = async () => {
    while (begun < options.restores && !options.signal.aborted) {
      const number = begun++;
      const name = `restored-${number}`;
      if (random(KILL_ONE_OF) === 0) await restoreAndKill(home, name, tally, random);
      else await restoreAndJudge(home, name, tally);
      if ((number + 1) % PROGRESS_EVERY === 0)
        console.error(`    ${number + 1} of ${options.restores}, ${tally.wrong.length} wrong`);
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, work));
}

function restore({ client }: Home, containerName: string): Promise<unknown> {
  return client.json("checkpointRestore", { params: { name: CHECKPOINT }, body: { containerName } });
}

async function restoreAndJudge(home: Home, name: string, tally: Tally): Promise<void> {
  const from = performance.now();
  const say = (wrong: string) => {
    console.error(`    ${wrong}`);
    tally.wrong.push(wrong);
  };
  try {
    await restore(home, name);
    const restored = performance.now();
    const wrong = await judgeSelf(home, name);
    tally.restoreMs.push(restored - from);
    tally.judgeMs.push(performance.now() - restored);
    if (wrong === undefined) tally.right++;
    else say(`${name}: ${wrong}`);
  } catch (error) {
    say(`${name}: ${asThawError(error).message}`);
  }
  await removeSurely(home, name);
}

async function restoreAndKill(
  home: Home,
  name: string,
  tally: Tally,
  random: (below: number) => number,
): Promise<void> {
  const usual = tally.restoreMs.at(-1) ?? 100;
  let over: string | undefined;
  const restoring = restore(home, name).then(
    () => {
      over = "restored all the same";
    },
    (error: unknown) => {
      over = asThawError(error).message.replace(/[0-9a-f]{12,}|\d+/g, "N");
    },
  );
  await Bun.sleep((random(1000) / 1000) * usual * 1.2);
  const who = over === undefined ? "on its way" : "when it ran";
  const how = random(2) === 0 ? await killProcess(home, name, random) : await killByDaemon(home, name);
  await restoring;
  await removeSurely(home, name);
  tally.killed++;
  const kind = `${how} ${who}: ${over}`;
  tally.killedWhere[kind] = (tally.killedWhere[kind] ?? 0) + 1;
}

async function killByDaemon({ client }: Home, name: string): Promise<string> {
  const removed = client.json("containerRemove", { params: { id: name }, query: { force: true } });
  return removed.then(
    () => "removed",
    () => "not yet there to remove",
  );
}

/** SIGKILL to one of the processes in the container's leaf: the restorer's, the sandbox's, or the program itself. */
async function killProcess({ client, paths }: Home, name: string, random: (below: number) => number): Promise<string> {
  const id = await client.json<{ Id: string }>("containerInspect", { params: { id: name } }).then(
    ({ Id }) => Id,
    () => undefined,
  );
  const pids = id === undefined ? [] : pidsOf(paths.run, id);
  const pid = pids[random(Math.max(1, pids.length))];
  if (pid === undefined) return "no process yet to kill";
  const comm = readOrEmpty(`/proc/${pid}/comm`).trim();
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    return "just ended";
  }
  return `killed ${comm.replace(/:.*/, "")}`;
}

function pidsOf(run: string, id: string): number[] {
  const cgroups = new Cgroups(detectCgroups(), run);
  const leaves = cgroups.layout.hierarchies.map(({ mount }) => join(mount, cgroups.parent, id, "cgroup.procs"));
  const pids = leaves.flatMap((leaf) =>
    readOrEmpty(leaf)
      .split("\n")
      .filter((line) => line !== "")
      .map(Number),
  );
  return [...new Set(pids)].filter((pid) => pid > 1);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // It is gone, or not there yet.
  }
}

function rowsOf({ restoreMs, judgeMs }: Tally, ms: number, { atOnce, restores }: RestoresOptions): Row[] {
  const pace = `${atOnce} at a time`;
  const params = { part: "restores", at_once: atOnce };
  return [
    {
      ...summarize("restore", restoreMs, pace, "the API's call"),
      per_second: Math.round((restores / ms) * 1000),
      params,
    },
    { ...summarize("judges itself", judgeMs, pace, "more than forty items"), params },
  ];
}
