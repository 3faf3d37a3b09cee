/** Medians of what was measured many times. */
import { percentile } from "./stats.ts";

/** When each phase was over, medians in ms, in the order of time. */
export function phasesOf(samples: readonly { readonly phases: ReadonlyMap<string, number> }[]): Record<string, number> {
  const names = new Set(samples.flatMap(({ phases }) => [...phases.keys()]));
  const entries = [...names].map((name): [string, number] => {
    return [name, median(samples.flatMap(({ phases }) => phases.get(name) ?? []))];
  });
  return Object.fromEntries(entries.toSorted((a, b) => a[1] - b[1]));
}

/** To a microsecond; 0 of nothing. */
export function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(percentile(sorted, 0.5) * 1000) / 1000;
}
