/** What every benchmark prints: a table for people, or with --json one object for programs. */
import { cpus, totalmem } from "node:os";
import Table from "cli-table3";
import { VERSION } from "../common/version.ts";
import { FORMAT, type Machine, type Report, type Row } from "./schema.ts";

/** This machine. */
export async function describeMachine(): Promise<Machine> {
  const mounts = await Bun.file("/proc/self/mounts").text();
  const v1 = / cgroup /.test(mounts);
  const v2 = / cgroup2 /.test(mounts);
  return {
    kernel: (await Bun.file("/proc/sys/kernel/osrelease").text()).trim(),
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memory_mb: Math.round(totalmem() / 2 ** 20),
    cgroups: v1 && v2 ? "hybrid" : v1 ? "v1" : "v2",
  };
}

/** Puts a benchmark's result together. */
export async function makeReport(
  bench: string,
  rows: readonly Row[],
  extra?: Record<string, unknown>,
): Promise<Report> {
  const report: Report = { format: FORMAT, bench, version: VERSION, machine: await describeMachine(), rows: [...rows] };
  return extra === undefined ? report : { ...report, extra };
}

const ms = (value: number) => (value < 10 ? value.toFixed(3) : value.toFixed(1));

/** Columns without lines: what can be copied into a mail and read there. */
export const PLAIN = {
  chars: Object.fromEntries(
    ["top", "bottom", "mid", "left", "right", "middle"].flatMap((side) =>
      side === "middle"
        ? [[side, "  "]]
        : [side, `${side}-mid`, `${side}-left`, `${side}-right`].map((name) => [name, ""]),
    ),
  ),
  style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
};

/** The machine in a line. */
export function renderMachine({ kernel, cpu, cores, memory_mb, cgroups }: Machine): string {
  return `Linux ${kernel}, ${cores} x ${cpu}, ${memory_mb} MB, cgroups ${cgroups}`;
}

/** The rows as a table. */
export function renderRows(report: Report): string {
  const table = new Table({
    head: ["", "n", "p50 ms", "p99 ms", "min", "max", "pace"],
    colAligns: ["left", "right", "right", "right", "right", "right", "left"],
    ...PLAIN,
  });
  for (const row of report.rows) {
    const figures = row.n === 0 ? ["-", "-", "-", "-"] : [row.p50_ms, row.p99_ms, row.min_ms, row.max_ms].map(ms);
    table.push([row.name, row.n, ...figures, row.n === 0 ? (row.note ?? "") : row.pace]);
  }
  return `${table.toString()}\n${renderMachine(report.machine)}`;
}

/** Prints a report as asked for, and leaves it in a file when one is named. `render` makes its text. */
export async function publish(
  report: Report,
  options: { json?: boolean; jsonFile?: string },
  render: (report: Report) => string = renderRows,
): Promise<void> {
  if (options.jsonFile !== undefined) await Bun.write(options.jsonFile, `${JSON.stringify(report, null, 2)}\n`);
  console.log(options.json ? JSON.stringify(report) : render(report));
}
