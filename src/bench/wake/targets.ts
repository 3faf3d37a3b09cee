/** What wake-ups are to take. Every target of a program that was asked for stands in the report. */
import type { Tier } from "../engines.ts";
import type { Judgement } from "../judge.ts";
import { BACK_TO_BACK } from "../pace.ts";
import type { Report } from "../schema.ts";

interface Target {
  readonly program: string;
  readonly tier: Tier;
  readonly figure: "p50_ms" | "p99_ms";
  readonly bound: number;
}

const TARGETS: readonly Target[] = [
  { program: "flask", tier: "template", figure: "p50_ms", bound: 2.5 },
  { program: "flask", tier: "template", figure: "p99_ms", bound: 6 },
  { program: "flask", tier: "parked", figure: "p50_ms", bound: 1 },
  { program: "flask", tier: "disk", figure: "p50_ms", bound: 10 },
  { program: "spring-boot", tier: "template", figure: "p50_ms", bound: 8 },
  { program: "spring-boot", tier: "parked", figure: "p50_ms", bound: 3 },
  { program: "spring-boot", tier: "disk", figure: "p50_ms", bound: 60 },
];

/** Both paces of each. */
export function judgeWakes({ rows }: Pick<Report, "rows">): Judgement[] {
  const programs = new Set(rows.map(({ params }) => params?.program));
  return TARGETS.filter(({ program }) => programs.has(program)).flatMap(({ program, tier, figure, bound }) => {
    const all = rows.filter(({ name, n }) => name === `${program}/thaw/${tier}` && n > 0);
    return [true, false].map((close) => {
      const row = all.find(({ pace }) => (pace === BACK_TO_BACK) === close);
      const pace = close ? BACK_TO_BACK : "paced";
      return {
        target: `wake-up of ${program}, tier ${tier}, ${pace}, ${figure.slice(0, 3)} ms`,
        found: row?.[figure],
        bound,
      };
    });
  });
}
