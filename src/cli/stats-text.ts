/** Samples of containers as `thaw stats` shows them, computed as Docker's command line does. */
import type { StatsResponse } from "../api/resources.ts";
import { bytesText, table } from "./print.ts";

const HEADER = ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "MEM %", "NET I/O", "BLOCK I/O", "PIDS"];

/** The fields of a row, by the names that Docker's `--format json` gives them. */
export interface StatsRow {
  readonly ID: string;
  readonly Name: string;
  readonly CPUPerc: string;
  readonly MemUsage: string;
  readonly MemPerc: string;
  readonly NetIO: string;
  readonly BlockIO: string;
  readonly PIDs: string;
}

/** Of one CPU: two busy ones are 200. */
export function cpuPercent({ cpu_stats: now, precpu_stats: before }: StatsResponse): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage;
  const passed = now.system_cpu_usage - before.system_cpu_usage;
  return used > 0 && passed > 0 ? (used / passed) * now.online_cpus * 100 : 0;
}

/** Bytes in use without the page cache that the kernel can take back at any time. */
export function memoryUsed({ memory_stats: { usage = 0, stats = {} } }: StatsResponse): number {
  const cache = stats.total_inactive_file ?? stats.inactive_file ?? 0;
  return Math.max(0, usage - cache);
}

export function statsRow(sample: StatsResponse): StatsRow {
  const { memory_stats: memory, pids_stats: pids, networks = {}, blkio_stats: disk } = sample;
  const used = memoryUsed(sample);
  const limit = memory.limit ?? 0;
  const net = (key: "rx_bytes" | "tx_bytes") => Object.values(networks).reduce((sum, one) => sum + one[key], 0);
  const blocks = (op: string) =>
    disk.io_service_bytes_recursive.filter((one) => one.op === op).reduce((sum, { value }) => sum + value, 0);
  return {
    ID: sample.id.slice(0, 12),
    Name: sample.name.replace(/^\//, ""),
    CPUPerc: percent(cpuPercent(sample)),
    MemUsage: `${binaryText(used)} / ${binaryText(limit)}`,
    MemPerc: percent(limit === 0 ? 0 : (used / limit) * 100),
    NetIO: `${bytesText(net("rx_bytes"))} / ${bytesText(net("tx_bytes"))}`,
    BlockIO: `${bytesText(blocks("Read"))} / ${bytesText(blocks("Write"))}`,
    PIDs: String(pids.current ?? 0),
  };
}

export function statsTable(samples: readonly StatsResponse[]): string {
  return table(
    HEADER,
    samples.map((sample) => Object.values(statsRow(sample)).map(String)),
  );
}

function percent(value: number): string {
  return `${value.toFixed(2)}%`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** Bytes in units of 1024, four digits: "12.34MiB". */
function binaryText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1);
  return `${Number((bytes / 1024 ** power).toPrecision(4))}${UNITS[power]}`;
}
