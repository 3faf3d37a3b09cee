/** The figures that thaw wants to reach, and whether a report reaches them. Judged after the fact: rows know nothing of them. */
import type { Report, Row } from "../schema.ts";
import type { CriticalName } from "./critical.ts";

interface Target {
  readonly row: CriticalName | "thaw run IMAGE";
  readonly paced: boolean;
  readonly atOnce: number;
  readonly figure: "p50_ms" | "p99_ms" | "per_second";
  /** At most so many ms, or at least so many a second. */
  readonly bound: number;
}

const one = { paced: false, atOnce: 1 } as const;
const TARGETS: readonly Target[] = [
  { ...one, row: "private", figure: "p50_ms", bound: 0.3 },
  { ...one, row: "private", figure: "p99_ms", bound: 1.5 },
  { ...one, row: "private", paced: true, figure: "p50_ms", bound: 0.45 },
  { ...one, row: "private", paced: true, figure: "p99_ms", bound: 1.5 },
  { ...one, row: "pooled", figure: "p50_ms", bound: 0.15 },
  { ...one, row: "private", atOnce: 2, figure: "per_second", bound: 5000 },
  { ...one, row: "thaw run IMAGE", figure: "p50_ms", bound: 12 },
];

/** How one target was reached. */
export interface Judgement {
  readonly target: string;
  readonly met: boolean;
  /** In the target's unit. */
  readonly found: number;
}

/** All targets that the report has a figure for. */
export function judge({ rows }: Pick<Report, "rows">): Judgement[] {
  return TARGETS.flatMap((target) => {
    const row = rows.find((candidate) => fits(candidate, target));
    const found = row?.[target.figure];
    if (row === undefined || row.n === 0 || found === undefined) return [];
    const met = target.figure === "per_second" ? found >= target.bound : found <= target.bound;
    return [{ target: describe(target, row.pace), met, found }];
  });
}

function fits({ name, pace, params }: Row, target: Target): boolean {
  return name === target.row && params?.at_once === target.atOnce && (pace === "back-to-back") !== target.paced;
}

function describe({ row, atOnce, figure, bound }: Target, pace: string): string {
  const who = `${row}, ${atOnce === 1 ? pace : `${atOnce} at a time`}`;
  return figure === "per_second"
    ? `${who}: at least ${bound} a second`
    : `${who}: ${figure.slice(0, 3)} at most ${bound} ms`;
}
