/** The primitives' results as text: a table a figure, its steps as columns, in microseconds. */
import Table from "cli-table3";
import { PLAIN, renderMachine } from "../report.ts";
import type { Report, Row } from "../schema.ts";

/** The figures by name, in order. */
export const FIGURES = {
  roots: "1. Roots: mounted and unmounted, or copied and removed",
  "mount-namespaces": "2. New mount namespaces against the number of mounts there are",
  namespaces: "3. Namespaces, each kind by itself",
  network: "4. Network namespaces, several at a time (per second: until the last is freed)",
  cgroups: "5. Cgroups: a process joins leaves made for it, or reused ones (v2 into and none: the whole clone)",
} as const;

export type FigureName = keyof typeof FIGURES;

const micro = (ms: number) => {
  const us = ms * 1000;
  return us < 10 ? us.toFixed(1) : us.toFixed(0);
};

/** All tables, and the machine. */
export function renderFigures(report: Report): string {
  const tables = Object.entries(FIGURES).flatMap(([figure, title]) => {
    const rows = report.rows.filter(({ params }) => params?.figure === figure);
    return rows.length === 0 ? [] : [`${title}\n\n${renderFigure(rows)}`];
  });
  return `${tables.join("\n\n")}\n\nTimes in us. ${renderMachine(report.machine)}`;
}

function renderFigure(rows: readonly Row[]): string {
  const steps = [...new Set(rows.map(({ params }) => String(params?.step)))];
  const cases = Map.groupBy(rows, ({ params, pace }) => `${params?.case}\n${pace}`);
  const table = new Table({
    head: ["", "pace", "n", ...steps.flatMap((step) => [`${step} p50`, "p99"]), "per second"],
    colAligns: ["left", "left", "right", ...steps.flatMap(() => ["right", "right"] as const), "right"],
    ...PLAIN,
  });
  for (const group of cases.values()) table.push(renderCase(group, steps));
  return table.toString();
}

function renderCase(group: readonly Row[], steps: readonly string[]): string[] {
  const find = (step: string) => group.find(({ params }) => params?.step === step);
  const [first] = group;
  const head = [String(first?.params?.case ?? ""), first?.pace ?? "", String(first?.n ?? 0)];
  if (first === undefined || first.n === 0) return [...head, first?.note ?? ""];
  const cells = steps.flatMap((step) => {
    const row = find(step);
    return row === undefined ? ["", ""] : [micro(row.p50_ms), micro(row.p99_ms)];
  });
  return [...head, ...cells, String(find("all")?.per_second ?? "")];
}
