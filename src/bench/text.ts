/** Rows as text with both paces side by side. */
import Table from "cli-table3";
import { PLAIN } from "./report.ts";
import type { Row } from "./schema.ts";

const ms = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(1));

/** A line a row; those without samples are left out. */
export function renderPaces(rows: readonly Row[]): string {
  const table = new Table({
    head: ["", "back to back: n", "p50 ms", "p99 ms", "paced: n", "p50 ms", "p99 ms", "one every"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "right"],
    ...PLAIN,
  });
  for (const [name, paces] of Map.groupBy(
    rows.filter(({ n }) => n > 0),
    (row) => row.name,
  )) {
    const paced = paces.find(({ pace }) => pace.startsWith("one every"));
    const close = paces.find((row) => row !== paced);
    table.push([name, ...figures(close), ...figures(paced), paced?.pace.replace("one every ", "") ?? ""]);
  }
  return table.toString();
}

function figures(row: Row | undefined): string[] {
  return row === undefined ? ["-", "-", "-"] : [String(row.n), ms(row.p50_ms), ms(row.p99_ms)];
}

/** Rows without samples: what is missing, and why. */
export function renderMissing(rows: readonly Row[]): string {
  const lines = rows.filter(({ n }) => n === 0).map(({ name, note }) => `${name}: ${note ?? "not measured"}`);
  return lines.length === 0 ? "" : `Missing\n\n${[...new Set(lines)].join("\n")}`;
}

/** When phases were over. */
export function renderPhases(phases: Readonly<Record<string, Readonly<Record<string, number>>>>): string {
  const lines = Object.entries(phases).map(([name, ends]) => {
    return `${name}: ${Object.entries(ends)
      .map(([phase, at]) => `${phase} ${ms(at)}`)
      .join(", ")}`;
  });
  return lines.length === 0
    ? ""
    : `Phases, median ms since the beginning at which each was over\n\n${lines.join("\n")}`;
}

/** What is timed, of the rows that were. */
export function renderNotes(rows: readonly Row[], whoseOf: (row: Row) => string): string {
  const timed = rows.filter(({ n, note }) => n > 0 && note !== undefined);
  return [...new Set(timed.map((row) => `${whoseOf(row)}: ${row.note}`))].join("\n");
}
