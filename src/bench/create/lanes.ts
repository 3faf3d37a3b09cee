/**
 * What is to be compared is measured by turns: every lane gets a short slice, then every lane its next one, and so on,
 * so that whatever else the machine does at a moment is shared by all rows and favours none. The first runs of a slice
 * are not counted: they are those of a launcher that has just been started. A lane that fails gives a row without
 * samples that says why, never one of slow runs.
 */
import { ThawError } from "../../common/errors.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";

/** What one slice gave. */
export interface Slice {
  /** Milliseconds of each run that counts. */
  readonly samples: readonly number[];
  /** Runs of all kinds in `seconds`; absent where the pace decides how many there are. */
  readonly rate?: { readonly runs: number; readonly seconds: number };
}

/** One row to be. */
export interface Lane {
  readonly name: string;
  readonly pace: string;
  readonly params: Readonly<Record<string, string | number>>;
  readonly note?: string;
  /** Runs a slice of it; undefined where `note` says why it cannot be run. */
  readonly slice?: () => Promise<Slice>;
}

export interface Turns {
  readonly rounds: number;
  readonly signal: AbortSignal;
  /** Called with the number of each round as it begins. */
  readonly announce: (round: number) => void;
}

interface Sum {
  readonly samples: number[];
  runs: number;
  seconds: number;
  failure?: string;
}

/** Runs all lanes by turns; a row each, in their order. */
export async function takeTurns(lanes: readonly Lane[], { rounds, signal, announce }: Turns): Promise<Row[]> {
  const sums = lanes.map((): Sum => ({ samples: [], runs: 0, seconds: 0 }));
  for (let round = 1; round <= rounds; round++) {
    announce(round);
    for (const [index, lane] of lanes.entries()) {
      const sum = sums[index];
      if (sum === undefined || sum.failure !== undefined || lane.slice === undefined) continue;
      signal.throwIfAborted();
      await addSlice(sum, lane.slice);
    }
  }
  return lanes.flatMap((lane, index) => {
    const sum = sums[index];
    return sum === undefined ? [] : [rowOf(lane, sum)];
  });
}

async function addSlice(sum: Sum, slice: () => Promise<Slice>): Promise<void> {
  try {
    const { samples, rate } = await slice();
    for (const ms of samples) sum.samples.push(ms);
    sum.runs += rate?.runs ?? 0;
    sum.seconds += rate?.seconds ?? 0;
  } catch (error) {
    if (!(error instanceof ThawError)) throw error;
    sum.failure = `fails here: ${error.message}`;
  }
}

function rowOf({ name, pace, note, params }: Lane, { samples, runs, seconds, failure }: Sum): Row {
  const row = { ...summarize(name, failure === undefined ? samples : [], pace, failure ?? note), params };
  return failure === undefined && seconds > 0 ? { ...row, per_second: Math.round(runs / seconds) } : row;
}

/** Leaves out the first runs, but never all. */
export function warm(samples: readonly number[], first: number): readonly number[] {
  return samples.slice(Math.min(first, samples.length - 1));
}
