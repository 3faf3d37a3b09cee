/** The results of `thaw bench create` as text, in 100 columns: latencies by row, several at a time, whole commands. */
import Table from "cli-table3";
import { PLAIN, renderMachine } from "../report.ts";
import type { Report, Row } from "../schema.ts";
import { judge } from "./targets.ts";

const COLUMNS = 100;

/** All tables, the machine, and the targets. */
export function renderCreate(report: Report): string {
  const critical = report.rows.filter(({ params }) => params?.kind === "critical-path");
  const commands = report.rows.filter(({ params }) => params?.kind === "whole-command");
  const single = critical.filter(({ params }) => params?.at_once === 1);
  const parts = [
    part("The critical path: made, its process exits at once, awaited; times of the launcher", renderPaces(single)),
    part(
      "Back to back, several at a time, a launcher each: containers per second, p50 / p99 in ms",
      renderWidths(critical),
    ),
    part("Whole commands that run /bin/true, from exec to exit", renderPaces(commands)),
    notes(report.rows),
    renderMachine(report.machine),
    renderTargets(report),
  ];
  return parts.filter((text) => text !== "").join("\n\n");
}

function part(title: string, table: string): string {
  return table === "" ? "" : `${title}\n\n${table}`;
}

const ms = (value: number) => (value < 10 ? value.toFixed(3) : value.toFixed(1));

const short = (value: number) => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function figures(row: Row | undefined): string[] {
  if (row === undefined || row.n === 0) return ["-", "-", "-"];
  return [String(row.n), ms(row.p50_ms), ms(row.p99_ms)];
}

/** A line a row, with both paces. */
function renderPaces(rows: readonly Row[]): string {
  const lines = [...Map.groupBy(rows, ({ name }) => name)];
  if (lines.length === 0) return "";
  const table = new Table({
    head: ["", "back to back: n", "p50 ms", "p99 ms", "paced: n", "p50 ms", "p99 ms", "one every"],
    colAligns: ["left", "right", "right", "right", "right", "right", "right", "right"],
    ...PLAIN,
  });
  for (const [name, paces] of lines) {
    const paced = paces.find(({ pace }) => pace !== "back-to-back");
    const close = paces.find(({ pace }) => pace === "back-to-back");
    table.push([name, ...figures(close), ...figures(paced), paced?.pace.replace("one every ", "") ?? ""]);
  }
  return table.toString();
}

/** A line a row, with a figure for each number at a time. */
function renderWidths(rows: readonly Row[]): string {
  const counted = rows.filter(({ per_second }) => per_second !== undefined);
  const widths = [...new Set(counted.map(({ params }) => Number(params?.at_once)))].toSorted((a, b) => a - b);
  const lines = [...Map.groupBy(counted, ({ name }) => name)].filter(([, all]) => all.length > 1);
  if (lines.length === 0) return "";
  const table = new Table({
    head: ["", ...widths.map((width) => `${width} at a time`)],
    colAligns: ["left", ...widths.map(() => "right" as const)],
    ...PLAIN,
  });
  for (const [name, all] of lines) {
    const cells = widths.map((width) => {
      const row = all.find(({ params }) => params?.at_once === width);
      return row === undefined ? "-" : `${row.per_second}  ${short(row.p50_ms)} / ${short(row.p99_ms)}`;
    });
    table.push([name, ...cells]);
  }
  return table.toString();
}

function notes(rows: readonly Row[]): string {
  const texts = new Map(rows.flatMap(({ name, note }) => (note === undefined ? [] : [[name, note] as const])));
  const wide = Math.max(0, ...[...texts.keys()].map((name) => name.length));
  return [...texts].map(([name, note]) => `${name.padEnd(wide)}  ${note}`.slice(0, COLUMNS)).join("\n");
}

function renderTargets(report: Report): string {
  const lines = judge(report).map(({ target, met, found }) => `${met ? "met    " : "not met"}  ${target} (${found})`);
  return lines.length === 0 ? "" : `Targets\n\n${lines.join("\n")}`;
}
