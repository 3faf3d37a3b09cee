/** The results of `thaw bench density` as text. */
import Table from "cli-table3";
import { renderJudgements } from "../judge.ts";
import { PLAIN, renderMachine } from "../report.ts";
import type { Report } from "../schema.ts";
import { renderMissing, renderNotes } from "../text.ts";
import type { Cost } from "./fleet.ts";
import type { Density, Subject } from "./measure.ts";
import { judgeDensity } from "./targets.ts";

const MB = 2 ** 20;
const COSTS: readonly (keyof Cost)[] = ["pss", "rss", "private", "page_tables", "cgroup", "all"];
const HELP = `MB of one instance: pss, rss, private (pages that nobody else has), its page tables, what its cgroup is charged with;
all: launcher, templates and every other process below it with their page tables, all instances together`;

export function renderDensity(report: Report, subjects: readonly Subject[], memory: Density["memory"]): string {
  const parts = [
    renderStarts(report),
    renderMemory(memory),
    HELP,
    renderMissing(report.rows),
    renderNotes(report.rows, ({ name }) => name),
    renderMachine(report.machine),
    renderJudgements(judgeDensity(subjects, memory)),
  ];
  return parts.filter((text) => text !== "").join("\n\n");
}

const mb = (bytes: number) => (bytes / MB < 10 ? (bytes / MB).toFixed(2) : (bytes / MB).toFixed(0));
const right = (count: number) => Array.from({ length: count }, () => "right" as const);

function renderStarts({ rows }: Report): string {
  const head = ["", "instances", "a second", "p50 ms", "p99 ms"];
  const table = new Table({ head, colAligns: ["left", ...right(4)], ...PLAIN });
  for (const { name, n, per_second, p50_ms, p99_ms } of rows.filter((row) => row.n > 0)) {
    table.push([name, n, per_second ?? "", p50_ms.toFixed(1), p99_ms.toFixed(1)]);
  }
  return table.toString();
}

function renderMemory(memory: Density["memory"]): string {
  const head = ["", "", ...COSTS.map((name) => name.replaceAll("_", " "))];
  const table = new Table({ head, colAligns: ["left", "left", ...right(COSTS.length)], ...PLAIN });
  for (const [name, { idle, asked }] of Object.entries(memory)) {
    const short = name.replace(/\/start$/, "");
    table.push([short, "idle", ...COSTS.map((cost) => mb(idle[cost]))]);
    table.push(["", "after a request", ...COSTS.map((cost) => mb(asked[cost]))]);
  }
  return table.toString();
}
