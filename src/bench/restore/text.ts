/** The results of `thaw bench restore` as text: one table a pace with a column for each size, phases, targets. */
import Table from "cli-table3";
import { z } from "zod";
import { renderJudgements } from "../judge.ts";
import { BACK_TO_BACK } from "../pace.ts";
import { PLAIN, renderMachine } from "../report.ts";
import type { Report, Row } from "../schema.ts";
import { renderNotes, renderPhases } from "../text.ts";
import { FORERUNNER, STEPS } from "./rows.ts";
import { judgeRestores } from "./targets.ts";

const phasesSchema = z.record(z.string(), z.record(z.string(), z.number()));

/** All tables. */
export function renderRestore(report: Report): string {
  const sizes = [...new Set(report.rows.map(({ params }) => Number(params?.mb)))];
  const close = report.rows.filter(({ pace }) => pace === BACK_TO_BACK || pace === "one after another");
  const paced = report.rows.filter(({ pace }) => pace.startsWith("one every"));
  const parts = [
    `Back to back, p50 / p99 in ms\n\n${renderSizes(close, sizes, true)}`,
    paced.length === 0 ? "" : `Paced, p50 / p99 in ms\n\n${renderSizes(paced, sizes, false)}`,
    renderMissing(report.rows),
    renderPhases(phasesSchema.parse(report.extra?.phases ?? {})),
    renderNotes(report.rows, ({ params }) => {
      return `${params?.engine === "criu-packaged" ? "criu-packaged" : "others"}, ${params?.step}`;
    }),
    `${renderMachine(report.machine)}; checkpoints on ${report.extra?.filesystem ?? "?"}`,
    renderJudgements(judgeRestores(report)),
  ];
  return parts.filter((text) => text !== "").join("\n\n");
}

const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function renderSizes(rows: readonly Row[], sizes: readonly number[], withForerunner: boolean): string {
  const table = new Table({
    head: ["", ...sizes.map((size) => `${size} MB`)],
    colAligns: ["left", ...sizes.map(() => "right" as const)],
    ...PLAIN,
  });
  for (const step of withForerunner ? STEPS : []) {
    table.push([`its forerunner ${step}`, ...sizes.map((size) => String(FORERUNNER[step][size] ?? "-"))]);
  }
  // What is missing everywhere has a line of its own below.
  const found = new Set(rows.flatMap(({ n, params }) => (n > 0 ? [`${params?.engine}/${params?.tier}`] : [])));
  const shown = rows.filter(({ params }) => found.has(`${params?.engine}/${params?.tier}`));
  const lines = Map.groupBy(shown, ({ params }) => `${params?.engine}/${params?.tier} ${params?.step}`);
  for (const [name, all] of lines) {
    const cells = sizes.map((size) => {
      const row = all.find(({ params }) => params?.mb === size);
      return row === undefined || row.n === 0 ? "-" : `${ms(row.p50_ms)} / ${ms(row.p99_ms)}`;
    });
    table.push([name, ...cells]);
    if (name.endsWith(" dump") && all.some(({ params }) => params?.frozen_ms !== undefined)) {
      const frozen = (size: number) => all.find(({ params }) => params?.mb === size)?.params?.frozen_ms;
      table.push([
        `${name}, frozen`,
        ...sizes.map((size) => (frozen(size) === undefined ? "-" : ms(Number(frozen(size))))),
      ]);
    }
  }
  return table.toString();
}

function renderMissing(rows: readonly Row[]): string {
  const reasons = Map.groupBy(
    rows.filter(({ n }) => n === 0),
    ({ params, note }) => `${params?.engine}/${params?.tier}: ${note}`,
  );
  if (reasons.size === 0) return "";
  const lines = [...reasons].map(([what, all]) => {
    return `${what} (${[...new Set(all.map(({ params }) => params?.mb))].join(", ")} MB)`;
  });
  return `Missing\n\n${lines.join("\n")}`;
}
