/**
 * Runs properties with the same cases every time, so that a test that passed once passes again; THAW_FUZZ_SEED tries
 * others, THAW_FUZZ_FACTOR more of them. A failure names the seed and the smallest case that fails, bounded: some
 * cases are long on purpose.
 */
import fc from "fast-check";

const { THAW_FUZZ_SEED = "1", THAW_FUZZ_FACTOR = "1" } = process.env;
const SHOWN_CHARACTERS = 80;
const SHOWN_ITEMS = 30;

const parameters = <T>(runs: number): fc.Parameters<T> => ({
  seed: Number(THAW_FUZZ_SEED),
  numRuns: runs * Number(THAW_FUZZ_FACTOR),
});

/** Tries a property with `runs` cases. @throws with the smallest case that fails. */
export function holds<T>(property: fc.IProperty<T>, runs: number): void {
  fc.assert(property, { ...parameters<T>(runs), reporter: report });
}

/** The same for a property whose cases take their time: the first case that fails is told, not the smallest. */
export function holdsAsync<T>(property: fc.IAsyncProperty<T>, runs: number): Promise<void> {
  return fc.assert(property, { ...parameters<T>(runs), endOnFailure: true, asyncReporter: async (out) => report(out) });
}

function report<T>(out: fc.RunDetails<T>): void {
  if (!out.failed) return;
  const head = `fails after ${out.numRuns} cases (THAW_FUZZ_SEED=${out.seed}, path ${out.counterexamplePath})`;
  throw new Error(`${head}: ${JSON.stringify(out.counterexample, shorten)}`, { cause: out.errorInstance });
}

function shorten(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return `0x${value.toString(16)}`;
  if (value instanceof Uint8Array) return shorten("", Buffer.from(value).toString("hex"));
  if (typeof value === "string" && value.length > SHOWN_CHARACTERS)
    return `${value.slice(0, SHOWN_CHARACTERS)}... (${value.length})`;
  if (Array.isArray(value) && value.length > SHOWN_ITEMS) return [...value.slice(0, 2), `... (${value.length})`];
  return value;
}
