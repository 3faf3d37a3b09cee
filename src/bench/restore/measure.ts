/** Runs all combinations of engine, tier and size, and gathers rows and phases. */
import { asThawError } from "../../common/errors.ts";
import { withDaemon } from "../daemon.ts";
import { type Combination, type EngineName, nameOf } from "../engines.ts";
import { BACK_TO_BACK, type Limits, paceFor, paceName, repeat } from "../pace.ts";
import { median, phasesOf } from "../phases.ts";
import { buildPythonImage } from "../python/image.ts";
import { makePythonRoot, type PythonRoot } from "../python/root.ts";
import type { Row } from "../schema.ts";
import { pauseParams, removeSleeper } from "../sleeper.ts";
import { packagedSample } from "./packaged.ts";
import { type Cell, dumpRow, missingRows, STEPS, sampleRows } from "./rows.ts";
import type { Sample } from "./sample.ts";
import { type Dump, dumpSamples, type Subject, sleepingSubject, wokenSample } from "./woken.ts";

export interface RestoreBench extends Limits {
  readonly combinations: readonly Combination[];
  /** MB. */
  readonly sizes: readonly number[];
  readonly dumps: number;
  readonly pacedMs: number;
  /** A directory of the benchmark's own. */
  readonly directory: string;
}

export interface Measured {
  readonly rows: Row[];
  /** Medians in ms since the beginning, by `<engine>/<tier>/<MB>`. */
  readonly phases: Record<string, Record<string, number>>;
}

/** A run of it is ten of the others. */
const PACKAGED_TIMES = 4;
const WOKEN_STEPS = STEPS.filter((step) => step !== "dump");

/** Measures everything. */
export async function measureRestores(bench: RestoreBench): Promise<Measured> {
  const measured: Measured = { rows: [], phases: {} };
  const root = await makePythonRoot(`${bench.directory}/root`);
  const engines = Map.groupBy(bench.combinations, ({ engine }) => engine);
  for (const [engine, combinations] of engines) {
    if (engine === "criu-packaged") await measurePackaged(bench, root, measured);
    else await measureEngine(bench, { engine, combinations, root }, measured);
  }
  return measured;
}

async function measurePackaged(bench: RestoreBench, root: PythonRoot, measured: Measured): Promise<void> {
  for (const megabytes of bench.sizes) {
    const cell: Cell = { name: "criu-packaged/disk", megabytes, kind: "packaged" };
    say(cell);
    const { directory, signal } = bench;
    // Each run is a process, a dump and a restore, with pauses of their own: another pace would add nothing.
    const once = () => packagedSample({ root, directory, megabytes, signal });
    const limits = { ...bench, seconds: PACKAGED_TIMES * bench.seconds };
    await gather(cell, BACK_TO_BACK, bench, measured, () => repeat(limits, 0, once));
  }
}

interface EngineWork {
  readonly engine: EngineName;
  readonly combinations: readonly Combination[];
  readonly root: PythonRoot;
}

async function measureEngine(bench: RestoreBench, work: EngineWork, measured: Measured): Promise<void> {
  await withDaemon(bench.directory, work.engine, async ({ client }) => {
    const image = await buildPythonImage(client, work.root, bench.directory);
    for (const megabytes of bench.sizes) {
      const subject: Subject = { client, image, root: work.root, megabytes };
      // All tiers of an engine have the same.
      const dumps = await dumpsOf(subject, work.engine, bench);
      for (const combination of work.combinations) {
        const cell: Cell = { name: nameOf(combination), megabytes, kind: "woken" };
        say(cell);
        await measureTier(subject, { combination, cell, dumps }, bench, measured);
      }
    }
  });
}

/** The dumps, or why there are none. */
async function dumpsOf(subject: Subject, engine: EngineName, bench: RestoreBench): Promise<Dump[] | string> {
  try {
    return await dumpSamples(subject, engine, { ...bench, runs: bench.dumps });
  } catch (error) {
    bench.signal.throwIfAborted();
    return asThawError(error).message;
  }
}

function rowsOfDump(cell: Cell, dumps: Dump[] | string): Row[] {
  if (typeof dumps === "string") return missingRows(cell, "one after another", dumps, ["dump"]);
  return [dumpRow(cell, dumps)];
}

interface TierWork {
  readonly combination: Combination;
  readonly cell: Cell;
  readonly dumps: Dump[] | string;
}

async function measureTier(
  subject: Subject,
  { combination, cell, dumps }: TierWork,
  bench: RestoreBench,
  measured: Measured,
): Promise<void> {
  const sleeper = await sleepingSubject(subject, combination);
  if ("missing" in sleeper) {
    measured.rows.push(...missingRows(cell, BACK_TO_BACK, sleeper.missing));
    return;
  }
  try {
    measured.rows.push(...rowsOfDump(cell, dumps));
    const slept: Cell = { ...cell, params: () => pauseParams(sleeper) };
    const cycles: number[] = [];
    const once = async () => {
      const from = performance.now();
      const sample = await wokenSample(sleeper);
      cycles.push(performance.now() - from);
      return sample;
    };
    const done = await gather(slept, BACK_TO_BACK, bench, measured, () => repeat(bench, 0, once));
    if (!done) return;
    const everyMs = paceFor(median(cycles), bench.pacedMs);
    await gather(slept, paceName(everyMs), bench, measured, () => repeat(bench, everyMs, once));
  } finally {
    await removeSleeper(sleeper);
  }
}

/** Adds the rows of one pace; rows that say why, when it fails. */
async function gather(
  cell: Cell,
  pace: string,
  { signal }: RestoreBench,
  { rows, phases }: Measured,
  take: () => Promise<Sample[]>,
): Promise<boolean> {
  try {
    const samples = await take();
    rows.push(...sampleRows(cell, samples, pace));
    phases[`${cell.name}/${cell.megabytes}`] ??= phasesOf(samples);
    return true;
  } catch (error) {
    signal.throwIfAborted();
    const steps = cell.kind === "packaged" ? STEPS : WOKEN_STEPS;
    rows.push(...missingRows(cell, pace, asThawError(error).message, steps));
    return false;
  }
}

/** To stderr, so that stdout is the result, whichever form it has. */
function say({ name, megabytes }: Cell): void {
  console.error(`==> ${name}, ${megabytes} MB`);
}
