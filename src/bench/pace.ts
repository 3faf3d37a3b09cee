/** Doing one thing again and again, at once or with pauses: sporadic wake-ups pay what those in a row do not. */

export interface Limits {
  /** The most. */
  readonly runs: number;
  /** No further one begins after so long, once there are a few. */
  readonly seconds: number;
  readonly signal: AbortSignal;
}

export const BACK_TO_BACK = "back-to-back";

const FEW = 3;
const MS = 1000;

/** Does it `runs` times, one every `everyMs` (0: as soon as the one before is over). */
export async function repeat<T>(limits: Limits, everyMs: number, once: () => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  const from = performance.now();
  for (let next = from; results.length < limits.runs; next += everyMs) {
    if (results.length >= FEW && performance.now() - from > limits.seconds * MS) break;
    limits.signal.throwIfAborted();
    await Bun.sleep(Math.max(0, next - performance.now()));
    results.push(await once());
  }
  return results;
}

/** The pace that leaves half as long again as the whole cycle takes, in steps of the one wanted. */
export function paceFor(cycleMs: number, wantedMs: number): number {
  return Math.max(1, Math.ceil((1.5 * cycleMs) / wantedMs)) * wantedMs;
}

/** As rows name it. */
export function paceName(everyMs: number): string {
  return everyMs === 0 ? BACK_TO_BACK : `one every ${everyMs} ms`;
}
