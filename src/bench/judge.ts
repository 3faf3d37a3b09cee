/** Figures beside what thaw wants to reach. Judged after the fact: rows know nothing of it. */

/** How one target was reached. */
export interface Judgement {
  readonly target: string;
  /** In the target's unit; undefined where nothing was measured. */
  readonly found: number | undefined;
  /** At most so much, or with `atLeast` at least. */
  readonly bound: number;
  readonly atLeast?: boolean;
}

/** Met, not met, or not measured. */
export function isMet({ found, bound, atLeast }: Judgement): boolean | undefined {
  if (found === undefined) return undefined;
  return atLeast ? found >= bound : found <= bound;
}

/** A line each: whether it is met, and by how much. */
export function renderJudgements(judgements: readonly Judgement[]): string {
  if (judgements.length === 0) return "";
  const lines = judgements.map((one) => {
    const met = isMet(one);
    const word = met === undefined ? "not measured" : met ? "met" : "not met";
    const { target, found, bound, atLeast } = one;
    if (found === undefined) return `${word.padEnd(14)}${target}`;
    const ratio = bound === 0 ? "" : `, ${(found / bound).toFixed(2)}x`;
    return `${word.padEnd(14)}${target}: ${round(found)}, wanted ${atLeast ? "at least" : "at most"} ${bound}${ratio}`;
  });
  return `Targets\n\n${lines.join("\n")}`;
}

function round(value: number): string {
  return value < 10 ? value.toFixed(3) : value.toFixed(1);
}
