/** Latencies as the benchmarks report them. Percentiles are nearest-rank: always a value that was measured. */
import type { Row } from "./schema.ts";

/** To a tenth of a microsecond: some of what is measured takes no more than one. */
const round = (ms: number) => Math.round(ms * 10_000) / 10_000;

/** The value below or at which `share` (0..1) of the sorted samples lie. @throws RangeError without samples. */
export function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)];
  if (value === undefined) throw new RangeError("a percentile of nothing");
  return value;
}

/** Sums up samples in ms. */
export function summarize(name: string, samples: readonly number[], pace: string, note?: string): Row {
  const rest = note === undefined ? { pace } : { pace, note };
  if (samples.length === 0) return { name, n: 0, p50_ms: 0, p99_ms: 0, mean_ms: 0, min_ms: 0, max_ms: 0, ...rest };
  const sorted = samples.toSorted((a, b) => a - b);
  return {
    name,
    n: sorted.length,
    p50_ms: round(percentile(sorted, 0.5)),
    p99_ms: round(percentile(sorted, 0.99)),
    mean_ms: round(sorted.reduce((sum, ms) => sum + ms, 0) / sorted.length),
    min_ms: round(percentile(sorted, 0)),
    max_ms: round(percentile(sorted, 1)),
    ...rest,
  };
}
