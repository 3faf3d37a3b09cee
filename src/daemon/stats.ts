/**
 * Samples of what containers use, in Docker's shape. A sample holds the CPU times of the one before as well, from
 * which clients compute a percentage.
 */
import { readFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import type { CpuStats, InterfaceStats, StatsResponse } from "../api/resources.ts";
import type { Container } from "../container/types.ts";
import type { CgroupStats } from "../sandbox/index.ts";

/** Docker's word for "not yet". */
const NEVER = "0001-01-01T00:00:00Z";
const TICK_NS = 1e7;

interface Moment {
  readonly read: string;
  readonly cpu: CpuStats;
}

const NOTHING: Moment = {
  read: NEVER,
  cpu: {
    cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
    system_cpu_usage: 0,
    online_cpus: 0,
    throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
  },
};

/** Makes the samples of one container, each with the one before in it. */
export class StatsSampler {
  #before = NOTHING;

  async sample(container: Container, stats: CgroupStats): Promise<StatsResponse> {
    const { before, now } = { before: this.#before, now: await moment(container, stats) };
    this.#before = now;
    const runs = container.state === "running";
    const networks = runs ? await interfaces(container.pid) : {};
    return {
      id: container.id,
      name: `/${container.spec.name}`,
      read: now.read,
      preread: before.read,
      num_procs: 0,
      pids_stats: runs ? { current: stats.pids.current, ...finite("limit", stats.pids.limit) } : {},
      cpu_stats: now.cpu,
      precpu_stats: before.cpu,
      memory_stats: runs ? memory(stats) : {},
      blkio_stats: { io_service_bytes_recursive: stats.diskBytes, io_serviced_recursive: stats.diskOperations },
      ...(Object.keys(networks).length === 0 ? {} : { networks }),
    };
  }
}

async function moment({ state }: Container, { cpu, throttling }: CgroupStats): Promise<Moment> {
  if (state !== "running") return { ...NOTHING, read: NEVER };
  return {
    read: new Date().toISOString(),
    cpu: {
      cpu_usage: { total_usage: cpu.total, usage_in_kernelmode: cpu.system, usage_in_usermode: cpu.user },
      system_cpu_usage: await machineCpu(),
      online_cpus: availableParallelism(),
      throttling_data: {
        periods: throttling.periods,
        throttled_periods: throttling.throttled,
        throttled_time: throttling.time,
      },
    },
  };
}

/** The machine's memory stands for no limit. */
function memory({ memory: { usage, peak, limit, failures, details } }: CgroupStats): StatsResponse["memory_stats"] {
  return { usage, max_usage: peak, limit: Math.min(limit, totalmem()), failcnt: failures, stats: details };
}

function finite<K extends string>(key: K, value: number): { readonly [key in K]?: number } {
  // A computed key is only known to be a string.
  return Number.isFinite(value) ? ({ [key]: value } as { [key in K]: number }) : {};
}

/** Nanoseconds that all CPUs spent so far, idle ones too: the first eight numbers; those of guests are in others. */
async function machineCpu(): Promise<number> {
  const [line = ""] = (await readFile("/proc/stat", "utf8")).split("\n");
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  return ticks.reduce((sum, value) => sum + value, 0) * TICK_NS;
}

/** The interfaces of a process's network, loopback left out. */
async function interfaces(pid: number): Promise<Record<string, InterfaceStats>> {
  const text = await readFile(`/proc/${pid}/net/dev`, "utf8").catch(() => "");
  const entries = text
    .split("\n")
    .slice(2)
    .flatMap((line): [string, InterfaceStats][] => {
      const [name, rest] = line.split(":");
      if (name === undefined || rest === undefined || name.trim() === "lo") return [];
      const numbers = rest.trim().split(/\s+/).map(Number);
      const at = (index: number) => numbers[index] ?? 0;
      const received = { rx_bytes: at(0), rx_packets: at(1), rx_errors: at(2), rx_dropped: at(3) };
      return [
        [name.trim(), { ...received, tx_bytes: at(8), tx_packets: at(9), tx_errors: at(10), tx_dropped: at(11) }],
      ];
    });
  return Object.fromEntries(entries);
}
