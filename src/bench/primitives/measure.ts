/**
 * Runs `thaw-launcher measure`, which times single system calls, and makes rows of what it writes. A case that this
 * kernel or machine refuses gives a row without samples that says why; it does not end the benchmark.
 */
import { findLauncher } from "../../launcher/index.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";

/** What all cases share. */
export interface Settings {
  /** A directory that the benchmark owns. */
  readonly directory: string;
  /** One of them bounds each case. */
  readonly seconds?: number;
  readonly count?: number;
  /** Milliseconds from one step to the next in the paced cases. */
  readonly pacedMs: number;
  /** Ends a case early. */
  readonly signal: AbortSignal;
  /** Called with each case's name as it begins. */
  readonly announce: (name: string) => void;
}

/** One thing to measure. */
export interface Case {
  readonly figure: string;
  /** Its name in the figure. */
  readonly name: string;
  /** Arguments of `thaw-launcher measure`. */
  readonly argv: readonly string[];
  /** Names of the columns it writes, in order; an empty name is left out. */
  readonly steps: readonly string[];
  readonly paced?: boolean;
  readonly params?: Readonly<Record<string, string | number>>;
  /** The last column is the time since the start, the last row the moment when everything was gone. */
  readonly elapsed?: boolean;
}

const SAMPLE_BYTES = 8;
const NS_PER_MS = 1e6;

/** Measures a case: a row for each step, and with more than one step a row `all` for their sum. */
export async function measure(one: Case, settings: Settings): Promise<Row[]> {
  settings.signal.throwIfAborted();
  settings.announce(`${one.name}${one.paced ? ", paced" : ""}`);
  const limit = settings.count === undefined ? ["--seconds", `${settings.seconds}`] : ["--count", `${settings.count}`];
  const pace = one.paced ? ["--interval-us", String(Math.round(settings.pacedMs * 1000))] : [];
  const child = Bun.spawn([findLauncher(), "measure", ...one.argv, ...limit, ...pace], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    signal: settings.signal,
  });
  const [bytes, errors] = await Promise.all([
    new Response(child.stdout).arrayBuffer(),
    new Response(child.stderr).text(),
  ]);
  const exitCode = await child.exited;
  settings.signal.throwIfAborted();
  const rows = exitCode === 0 ? cut(new DataView(bytes), one.steps.length + (one.elapsed ? 1 : 0)) : [];
  return summarizeCase(one, rows, settings, errors.trim() || `the launcher ended with ${exitCode}`);
}

/** Rows of `columns` values in ms. */
function cut(view: DataView, columns: number): number[][] {
  const count = Math.floor(view.byteLength / SAMPLE_BYTES / columns);
  return Array.from({ length: count }, (_row, row) =>
    Array.from({ length: columns }, (_column, column) => {
      return Number(view.getBigUint64((row * columns + column) * SAMPLE_BYTES, true)) / NS_PER_MS;
    }),
  );
}

function summarizeCase(one: Case, all: readonly number[][], settings: Settings, failure: string): Row[] {
  const pace = one.paced ? `one every ${settings.pacedMs} ms` : "back-to-back";
  const rows = one.elapsed ? all.slice(0, -1) : all;
  const make = (step: string, samples: readonly number[], perSecond?: number): Row => ({
    ...summarize(`${one.name}: ${step}`, samples, pace, samples.length === 0 ? failure : undefined),
    ...(perSecond === undefined ? {} : { per_second: Math.round(perSecond) }),
    params: { figure: one.figure, case: one.name, step, ...one.params },
  });
  const steps = one.steps.flatMap((step, index) =>
    step === ""
      ? []
      : [
          make(
            step,
            rows.map((row) => row[index] ?? 0),
          ),
        ],
  );
  if (steps.length < 2) return steps;
  const sums = rows.map((row) =>
    one.steps.reduce((sum, step, index) => sum + (step === "" ? 0 : (row[index] ?? 0)), 0),
  );
  const spent = one.elapsed ? (all.at(-1)?.at(-1) ?? 0) : sums.reduce((sum, ms) => sum + ms, 0);
  return [...steps, make("all", sums, one.paced || spent === 0 ? undefined : (rows.length * 1000) / spent)];
}
