/** What restoring is to take. Every target stands in the report, also where nothing was measured for it. */
import type { Judgement } from "../judge.ts";
import { BACK_TO_BACK } from "../pace.ts";
import type { Report, Row } from "../schema.ts";
import { FORERUNNER } from "./rows.ts";

const RESTORE_MS = 0.6;
const EXECUTION_MS: Readonly<Record<number, number>> = { 1: 0.5, 1024: 600 };
const DUMPED = [1, 16, 256, 1024];

/** Judges the sizes that were asked for. */
export function judgeRestores({ rows }: Pick<Report, "rows">): Judgement[] {
  const sizes = [...new Set(rows.map(({ params }) => Number(params?.mb)))];
  const dumps = DUMPED.filter((mb) => sizes.includes(mb)).flatMap((mb) => dumpTargets(rows, mb));
  return [...dumps, ...sizes.flatMap((mb) => restoreTargets(rows, mb))];
}

/** As its forerunner has it, the dump; that the process stands still no longer than that follows from it. */
function dumpTargets(rows: readonly Row[], mb: number): Judgement[] {
  const bound = FORERUNNER.dump[mb] ?? 0;
  const row = best(rows, `/${mb}/dump`, ({ params }) => params?.frozen_ms !== undefined);
  const frozen = row?.params?.frozen_ms;
  return [
    {
      target: `checkpoint of ${mb} MB, process frozen, p50 ms`,
      found: frozen === undefined ? undefined : Number(frozen),
      bound,
    },
    { target: `checkpoint of ${mb} MB, complete on disk, p50 ms`, found: row?.p50_ms, bound },
  ];
}

function restoreTargets(rows: readonly Row[], mb: number): Judgement[] {
  const of = (step: string, paced: boolean) => {
    const isWanted = (row: Row) => row.name === `thaw/template/${mb}/${step}` && (row.pace !== BACK_TO_BACK) === paced;
    const row = rows.find(isWanted);
    return row === undefined || row.n === 0 ? undefined : row.p50_ms;
  };
  const targets = [false, true].map((paced) => ({
    target: `restore of ${mb} MB from a template to running, ${paced ? "paced" : BACK_TO_BACK}, p50 ms`,
    found: of("restore", paced),
    bound: RESTORE_MS,
  }));
  const execution = EXECUTION_MS[mb];
  if (execution === undefined) return targets;
  const target = `touching all ${mb} MB after it, p50 ms`;
  return [...targets, { target, found: of("execution", false), bound: execution }];
}

/** The fastest engine's row is the one that a user gets. */
function best(rows: readonly Row[], end: string, is: (row: Row) => boolean): Row | undefined {
  const measured = rows.filter((row) => row.n > 0 && row.name.endsWith(end) && is(row));
  return measured.find(({ name }) => name.startsWith("thaw/")) ?? measured[0];
}
