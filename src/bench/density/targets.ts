/** What many instances of one checkpoint may hold together. */
import type { Judgement } from "../judge.ts";
import type { Density, Subject } from "./measure.ts";

const MB = 2 ** 20;

/** All instances of a large subject: its memory once, and of each what it touched and 1 MB. */
export function judgeDensity(subjects: readonly Subject[], memory: Density["memory"]): Judgement[] {
  return subjects
    .filter(({ megabytes }) => megabytes > 0)
    .map(({ name, megabytes, instances }) => {
      const found = memory[`${name}/thaw/template/start`];
      // Pages that nobody else has are those that it touched.
      const touched = found === undefined ? 0 : found.asked.private / MB;
      const count = found?.instances ?? instances;
      return {
        target: `${count} instances of ${name} from a template, all together, MB`,
        found: found === undefined ? undefined : Math.round(found.asked.all / MB),
        bound: Math.round(megabytes + count * (touched + 1)),
      };
    });
}
