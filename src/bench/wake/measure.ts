/** Wakes every program in every tier, and measures what a wake-up is to be compared with. */

import type { ApiClient } from "../../api/client.ts";
import type { ServiceUpInput } from "../../api/thaw.ts";
import { asThawError } from "../../common/errors.ts";
import { removeContainer, startCold } from "../container.ts";
import { withDaemon } from "../daemon.ts";
import { type Combination, missing, nameOf } from "../engines.ts";
import { KeptConnection } from "../keep-alive.ts";
import { BACK_TO_BACK, type Limits, paceFor, paceName, repeat } from "../pace.ts";
import { median, phasesOf } from "../phases.ts";
import type { Row } from "../schema.ts";
import { pauseParams, putToSleep, removeSleeper, type Sleeper, wakeOnce } from "../sleeper.ts";
import { summarize } from "../stats.ts";
import { askAndCompare, askOf, buildProgram, pathOf, type WakeProgram } from "./programs.ts";

export interface WakeBench extends Limits {
  readonly programs: readonly WakeProgram[];
  readonly combinations: readonly Combination[];
  /** Cold starts of each program. */
  readonly starts: number;
  /** Warm requests of each kind and pace, at most. */
  readonly requests: number;
  readonly pacedMs: number;
  /** A directory of the benchmark's own. */
  readonly directory: string;
}

export interface Woken {
  readonly rows: Row[];
  /** Medians in ms since the connection, by `<program>/<engine>/<tier>`. */
  readonly phases: Record<string, Record<string, number>>;
}

const COLD = "start of a container to its first good answer";
const WAKE = "connect to first byte";
const WARM = { close: "connect to first byte, awake", "keep-alive": "request to first byte, awake, one connection" };

/** Measures everything. Rows are those of a program together. */
export async function measureWakes(bench: WakeBench): Promise<Woken> {
  const woken: Woken = { rows: [], phases: {} };
  const built = new Map<WakeProgram, ServiceUpInput | { readonly missing: string }>();
  const compared = new Set<string>();
  for (const [engine, combinations] of Map.groupBy(bench.combinations, (one) => one.engine)) {
    await withDaemon(bench.directory, engine, async ({ client }) => {
      for (const program of bench.programs) {
        const input = built.get(program) ?? (await build(client, program, bench));
        built.set(program, input);
        await measureProgram(client, { program, input, combinations, compared }, bench, woken);
      }
    });
  }
  const order = new Map(bench.programs.map(({ name }, index) => [name, index]));
  woken.rows.sort((a, b) => (order.get(String(a.params?.program)) ?? 0) - (order.get(String(b.params?.program)) ?? 0));
  return woken;
}

async function build(client: ApiClient, program: WakeProgram, { directory, signal }: WakeBench) {
  console.error(`==> building ${program.name}`);
  try {
    return await buildProgram(client, program, directory);
  } catch (error) {
    signal.throwIfAborted();
    return { missing: `it cannot be built here: ${asThawError(error).message}` };
  }
}

interface ProgramWork {
  readonly program: WakeProgram;
  readonly input: ServiceUpInput | { readonly missing: string };
  readonly combinations: readonly Combination[];
  /** Programs whose cold start and warm requests were measured. */
  readonly compared: Set<string>;
}

async function measureProgram(client: ApiClient, work: ProgramWork, bench: WakeBench, woken: Woken): Promise<void> {
  const { program, input, combinations, compared } = work;
  const params = (combination: Combination) => ({ program: program.name, ...combination });
  if ("missing" in input) {
    for (const one of combinations) {
      const row = missing(`${program.name}/${nameOf(one)}`, BACK_TO_BACK, input.missing);
      woken.rows.push({ ...row, params: params(one) });
    }
    return;
  }
  if (!compared.has(program.name)) {
    const rows = await attempt(`${program.name}/cold`, bench, () => coldRows(client, program, input, bench));
    woken.rows.push(...rows.map((row) => ({ ...row, params: { program: program.name, kind: "cold" } })));
  }
  for (const combination of combinations) {
    const name = `${program.name}/${nameOf(combination)}`;
    console.error(`==> ${name}`);
    const sleeper = await putToSleep(client, input, combination, askAndCompare(program));
    if ("missing" in sleeper) {
      woken.rows.push({ ...missing(name, BACK_TO_BACK, sleeper.missing), params: params(combination) });
      continue;
    }
    try {
      const rows = await attempt(name, bench, () => wakeRows(name, sleeper, bench, woken));
      woken.rows.push(...rows.map((row) => ({ ...row, params: { ...params(combination), ...pauseParams(sleeper) } })));
      if (!compared.has(program.name)) woken.rows.push(...(await warmRows(program, sleeper, bench)));
      compared.add(program.name);
    } finally {
      await removeSleeper(sleeper);
    }
  }
}

/** Rows, or one that says why there are none. */
async function attempt(name: string, { signal }: WakeBench, rows: () => Promise<Row[]>): Promise<Row[]> {
  try {
    return await rows();
  } catch (error) {
    signal.throwIfAborted();
    return [missing(name, BACK_TO_BACK, asThawError(error).message)];
  }
}

async function coldRows(
  client: ApiClient,
  program: WakeProgram,
  { image, command, ports: [port] }: ServiceUpInput,
  bench: WakeBench,
): Promise<Row[]> {
  console.error(`==> ${program.name}/cold`);
  const { hostAddress: host = "", hostPort = 0, containerPort = 0 } = port ?? {};
  const samples = await repeat({ ...bench, runs: bench.starts }, 0, async () => {
    const { id, ms } = await startCold(
      client,
      { image, command, host, port: hostPort, containerPort },
      askAndCompare(program),
    );
    await removeContainer(client, id);
    return ms;
  });
  return [summarize(`${program.name}/cold`, samples, "one after another", COLD)];
}

async function wakeRows(name: string, sleeper: Sleeper, bench: WakeBench, { phases }: Woken): Promise<Row[]> {
  const cycles: number[] = [];
  const once = async () => {
    const from = performance.now();
    const wake = await wakeOnce(sleeper);
    cycles.push(performance.now() - from);
    return wake;
  };
  const close = await repeat(bench, 0, once);
  phases[name] = phasesOf(close);
  const everyMs = paceFor(median(cycles), bench.pacedMs);
  const paced = await repeat(bench, everyMs, once);
  const row = (wakes: typeof close, pace: string) => {
    return summarize(
      name,
      wakes.map(({ answer }) => answer.firstByteMs),
      pace,
      WAKE,
    );
  };
  return [row(close, BACK_TO_BACK), row(paced, paceName(everyMs))];
}

/** What the service takes when it is awake, through the same socket. Its later answers may count what came before. */
async function warmRows(program: WakeProgram, { host, port }: Sleeper, bench: WakeBench): Promise<Row[]> {
  const ask = askOf(program);
  await ask(host, port);
  const path = pathOf(program);
  const fresh = await warmPaces(program, "close", async () => (await ask(host, port)).firstByteMs, bench);
  if (path === undefined) return fresh;
  const connection = await KeptConnection.open(host, port);
  const kept = await warmPaces(program, "keep-alive", () => connection.request(path), bench);
  connection.close();
  return [...fresh, ...kept];
}

async function warmPaces(
  program: WakeProgram,
  kind: keyof typeof WARM,
  once: () => Promise<number>,
  bench: WakeBench,
): Promise<Row[]> {
  const limits = { ...bench, runs: bench.requests };
  const name = `${program.name}/warm/${kind}`;
  const rows = await attempt(name, bench, async () => {
    const close = await repeat(limits, 0, once);
    const paced = await repeat(limits, bench.pacedMs, once);
    return [
      summarize(name, close, BACK_TO_BACK, WARM[kind]),
      summarize(name, paced, paceName(bench.pacedMs), WARM[kind]),
    ];
  });
  return rows.map((row) => ({ ...row, params: { program: program.name, kind: "warm" } }));
}
