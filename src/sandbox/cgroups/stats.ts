/** What a container uses, read from its leaves: one shape for both worlds. */
import { join } from "node:path";
import type { Cgroups } from "./cgroups.ts";
import type { Controller } from "./detect.ts";
import { numberIn, tableIn, textOf } from "./files.ts";

/** Transfers of one disk, as Docker names them: "Read", "Write". */
export interface DiskUse {
  readonly major: number;
  readonly minor: number;
  readonly op: "Read" | "Write";
  readonly value: number;
}

export interface CgroupStats {
  readonly version: 1 | 2;
  /** Nanoseconds. */
  readonly cpu: { readonly total: number; readonly user: number; readonly system: number };
  /** `time` in nanoseconds. */
  readonly throttling: { readonly periods: number; readonly throttled: number; readonly time: number };
  /** Bytes; a limit of Infinity is none. `failures`: how often the limit was hit. */
  readonly memory: {
    readonly usage: number;
    readonly peak: number;
    readonly limit: number;
    readonly failures: number;
    /** The kernel's own table. */
    readonly details: Readonly<Record<string, number>>;
  };
  readonly pids: { readonly current: number; readonly limit: number };
  readonly diskBytes: readonly DiskUse[];
  readonly diskOperations: readonly DiskUse[];
}

const US = 1000;

/** The host's pids of all that runs in a container. */
export async function cgroupPids(cgroups: Cgroups, id: string): Promise<number[]> {
  const leaf = cgroups.leaf(id, "freezer");
  const text = leaf && (await textOf(join(leaf, "cgroup.procs")));
  return (text ?? "").split("\n").filter(Boolean).map(Number);
}

/** Everything is 0 for a container that does not run. */
export async function readStats(cgroups: Cgroups, id: string): Promise<CgroupStats> {
  const read = (controller: Controller, file: string) => {
    const leaf = cgroups.leaf(id, controller);
    return leaf === undefined ? Promise.resolve(undefined) : textOf(join(leaf, file));
  };
  return cgroups.layout.version === 2 ? readV2(read) : readV1(read);
}

type Read = (controller: Controller, file: string) => Promise<string | undefined>;

async function readV1(read: Read): Promise<CgroupStats> {
  const [usage, user, system, throttling, details, bytes, operations] = await Promise.all([
    read("cpuacct", "cpuacct.usage"),
    // Not cpuacct.stat, which a leaf that is used again cannot forget.
    read("cpuacct", "cpuacct.usage_user"),
    read("cpuacct", "cpuacct.usage_sys"),
    read("cpu", "cpu.stat").then(tableIn),
    read("memory", "memory.stat").then(tableIn),
    read("blkio", "blkio.throttle.io_service_bytes").then(disksV1),
    read("blkio", "blkio.throttle.io_serviced").then(disksV1),
  ]);
  const memory = (file: string) => read("memory", file).then(numberIn);
  return {
    version: 1,
    cpu: {
      total: numberIn(usage) ?? 0,
      user: numberIn(user) ?? 0,
      system: numberIn(system) ?? 0,
    },
    throttling: {
      periods: throttling.nr_periods ?? 0,
      throttled: throttling.nr_throttled ?? 0,
      time: throttling.throttled_time ?? 0,
    },
    memory: {
      usage: (await memory("memory.usage_in_bytes")) ?? 0,
      peak: (await memory("memory.max_usage_in_bytes")) ?? 0,
      limit: (await memory("memory.limit_in_bytes")) ?? Number.POSITIVE_INFINITY,
      failures: (await memory("memory.failcnt")) ?? 0,
      details,
    },
    pids: await readPids(read),
    diskBytes: bytes,
    diskOperations: operations,
  };
}

async function readV2(read: Read): Promise<CgroupStats> {
  const [cpu, details, events, io] = await Promise.all([
    read("cpu", "cpu.stat").then(tableIn),
    read("memory", "memory.stat").then(tableIn),
    read("memory", "memory.events").then(tableIn),
    read("blkio", "io.stat"),
  ]);
  const memory = (file: string) => read("memory", file).then(numberIn);
  const usage = (await memory("memory.current")) ?? 0;
  return {
    version: 2,
    cpu: {
      total: (cpu.usage_usec ?? 0) * US,
      user: (cpu.user_usec ?? 0) * US,
      system: (cpu.system_usec ?? 0) * US,
    },
    throttling: {
      periods: cpu.nr_periods ?? 0,
      throttled: cpu.nr_throttled ?? 0,
      time: (cpu.throttled_usec ?? 0) * US,
    },
    memory: {
      usage,
      peak: (await memory("memory.peak")) ?? usage,
      limit: (await memory("memory.max")) ?? Number.POSITIVE_INFINITY,
      failures: events.max ?? 0,
      details,
    },
    pids: await readPids(read),
    diskBytes: disksV2(io, { Read: "rbytes", Write: "wbytes" }),
    diskOperations: disksV2(io, { Read: "rios", Write: "wios" }),
  };
}

async function readPids(read: Read): Promise<CgroupStats["pids"]> {
  const [current, limit] = await Promise.all([read("pids", "pids.current"), read("pids", "pids.max")]);
  return { current: numberIn(current) ?? 0, limit: numberIn(limit) ?? Number.POSITIVE_INFINITY };
}

/** Lines such as "254:0 Read 4096". */
function disksV1(text: string | undefined): DiskUse[] {
  const lines = (text ?? "").matchAll(/^(\d+):(\d+) (Read|Write) (\d+)$/gm);
  // The expression lets nothing else through.
  return [...lines].map(([, major, minor, op, value]) => disk(major, minor, op as DiskUse["op"], value));
}

/** Lines such as "254:0 rbytes=4096 wbytes=0 rios=1 wios=0". */
function disksV2(text: string | undefined, names: Readonly<Record<DiskUse["op"], string>>): DiskUse[] {
  return (text ?? "").split("\n").flatMap((line) => {
    const [, major, minor] = /^(\d+):(\d+) /.exec(line) ?? [];
    const use = (op: DiskUse["op"]) => {
      const [, value] = new RegExp(` ${names[op]}=(\\d+)`).exec(line) ?? [];
      return value === undefined ? [] : [disk(major, minor, op, value)];
    };
    return [...use("Read"), ...use("Write")];
  });
}

function disk(major: string | undefined, minor: string | undefined, op: DiskUse["op"], value: string | undefined) {
  return { major: Number(major), minor: Number(minor), op, value: Number(value) };
}
