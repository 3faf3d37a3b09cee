/**
 * Limits as the files of either world. Order matters in two places: a limit of memory and swap may never be below
 * that of memory, and a period is set before its quota.
 */
import type { Controller } from "./detect.ts";
import { type CgroupLimits, CPU_PERIOD_US, DEFAULT_PIDS, type DeviceRates, LEAST_QUOTA_US } from "./limits.ts";

/** One file of a leaf and what it is to hold. */
export interface Setting {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
}

/** What of the machine decides on names and values. */
export interface SettingsContext {
  /** v1: swap is accounted. */
  readonly swapLimit: boolean;
  /** The file that takes a block IO weight. */
  readonly weightFile: () => string | undefined;
  /** "major:minor" of a block device. */
  readonly deviceNumber: (path: string) => string;
  /** v1: what a cpuset leaf must hold before anybody joins it. */
  readonly cpuset: () => { readonly cpus: string; readonly mems: string };
}

/** Controllers that are only joined when one of their limits is asked for: each join costs every start. */
export function wantedControllers(limits: CgroupLimits): Controller[] {
  const { nanoCpus, cpuPeriod, cpuQuota, cpuShares, cpusetCpus, cpusetMems, blkioWeight, devices } = limits;
  const wanted: Controller[] = [];
  if ([nanoCpus, cpuPeriod, cpuQuota, cpuShares].some((value) => value !== undefined)) wanted.push("cpu");
  if (cpusetCpus !== undefined || cpusetMems !== undefined) wanted.push("cpuset");
  if (blkioWeight !== undefined || Object.values(devices ?? {}).some((rates) => rates?.length)) wanted.push("blkio");
  return wanted;
}

/** The settings of a leaf in v1 trees, in order for a fresh leaf. */
export function settingsV1(limits: CgroupLimits, context: SettingsContext): Setting[] {
  return [
    { controller: "pids", file: "pids.max", value: String(limits.pids ?? DEFAULT_PIDS) },
    ...memoryV1(limits, context.swapLimit),
    ...cpuV1(limits),
    ...cpusetV1(limits, context),
    ...weight(limits, context),
    ...deviceSettings(limits.devices, context, V1_THROTTLES),
  ];
}

/** The settings of a leaf in the v2 tree. */
export function settingsV2(limits: CgroupLimits, context: SettingsContext): Setting[] {
  return [
    { controller: "pids", file: "pids.max", value: String(limits.pids ?? DEFAULT_PIDS) },
    ...memoryV2(limits),
    ...cpuV2(limits),
    ...cpusetV2(limits),
    ...weight(limits, context),
    ...deviceSettings(limits.devices, context, V2_THROTTLES),
  ];
}

function memoryV1({ memory, memorySwap, memoryReservation }: CgroupLimits, swapLimit: boolean): Setting[] {
  const settings: Setting[] = [];
  const add = (file: string, value: number) => settings.push({ controller: "memory", file, value: String(value) });
  if (memory !== undefined) {
    add("memory.limit_in_bytes", memory);
    if (swapLimit) add("memory.memsw.limit_in_bytes", memorySwap ?? memory);
  }
  if (memoryReservation !== undefined) add("memory.soft_limit_in_bytes", memoryReservation);
  return settings;
}

function memoryV2({ memory, memorySwap, memoryReservation }: CgroupLimits): Setting[] {
  const settings: Setting[] = [];
  const add = (file: string, value: string) => settings.push({ controller: "memory", file, value });
  if (memory !== undefined) {
    add("memory.max", String(memory));
    add("memory.swap.max", memorySwap === -1 ? "max" : String((memorySwap ?? memory) - memory));
    // Out of memory, all of the container dies, not one process that the others wait for.
    add("memory.oom.group", "1");
  }
  if (memoryReservation !== undefined) add("memory.low", String(memoryReservation));
  return settings;
}

/** The period and the quota in microseconds that limits mean; -1 for no limit. */
export function cpuTime(limits: CgroupLimits): { period: number; quota: number } | undefined {
  const { nanoCpus, cpuPeriod, cpuQuota } = limits;
  if (nanoCpus !== undefined) {
    return {
      period: CPU_PERIOD_US,
      quota: Math.max(LEAST_QUOTA_US, Math.round((nanoCpus * CPU_PERIOD_US) / 1e9)),
    };
  }
  if (cpuPeriod === undefined && cpuQuota === undefined) return undefined;
  return { period: cpuPeriod ?? CPU_PERIOD_US, quota: cpuQuota ?? -1 };
}

function cpuV1(limits: CgroupLimits): Setting[] {
  const settings: Setting[] = [];
  const time = cpuTime(limits);
  if (time) {
    settings.push({ controller: "cpu", file: "cpu.cfs_period_us", value: String(time.period) });
    settings.push({ controller: "cpu", file: "cpu.cfs_quota_us", value: String(time.quota) });
  }
  if (limits.cpuShares !== undefined) {
    settings.push({ controller: "cpu", file: "cpu.shares", value: String(limits.cpuShares) });
  }
  return settings;
}

function cpuV2(limits: CgroupLimits): Setting[] {
  const settings: Setting[] = [];
  const time = cpuTime(limits);
  if (time) {
    const quota = time.quota === -1 ? "max" : time.quota;
    settings.push({ controller: "cpu", file: "cpu.max", value: `${quota} ${time.period}` });
  }
  if (limits.cpuShares !== undefined) {
    settings.push({ controller: "cpu", file: "cpu.weight", value: String(weightOfShares(limits.cpuShares)) });
  }
  return settings;
}

/**
 * Shares 2..262144 as a v2 weight 1..10000. A curve through both ends and through what everybody has by default: 1024
 * shares are a weight of 100. In a straight line they would be 39, and asking for the default would halve it.
 */
export function weightOfShares(shares: number): number {
  const log = Math.log2(shares);
  return Math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34) - 1e-9);
}

function cpusetV1({ cpusetCpus, cpusetMems }: CgroupLimits, { cpuset }: SettingsContext): Setting[] {
  if (cpusetCpus === undefined && cpusetMems === undefined) return [];
  const { cpus, mems } = cpuset();
  return [
    { controller: "cpuset", file: "cpuset.cpus", value: cpusetCpus ?? cpus },
    { controller: "cpuset", file: "cpuset.mems", value: cpusetMems ?? mems },
  ];
}

function cpusetV2({ cpusetCpus, cpusetMems }: CgroupLimits): Setting[] {
  const settings: Setting[] = [];
  if (cpusetCpus !== undefined) settings.push({ controller: "cpuset", file: "cpuset.cpus", value: cpusetCpus });
  if (cpusetMems !== undefined) settings.push({ controller: "cpuset", file: "cpuset.mems", value: cpusetMems });
  return settings;
}

/** `io.weight` goes from 1 to 10000, the others take 1 to 1000. */
function weight({ blkioWeight }: CgroupLimits, { weightFile }: SettingsContext): Setting[] {
  if (blkioWeight === undefined) return [];
  const file = weightFile();
  if (file === undefined) return [];
  const value = file === "io.weight" ? 1 + Math.floor(((blkioWeight - 10) * 9999) / 990) : blkioWeight;
  return [{ controller: "blkio", file, value: String(value) }];
}

type Throttles = Readonly<Record<keyof DeviceRates, { readonly file: string; readonly prefix: string }>>;

const V1_THROTTLES: Throttles = {
  readBps: { file: "blkio.throttle.read_bps_device", prefix: "" },
  writeBps: { file: "blkio.throttle.write_bps_device", prefix: "" },
  readIops: { file: "blkio.throttle.read_iops_device", prefix: "" },
  writeIops: { file: "blkio.throttle.write_iops_device", prefix: "" },
};
const V2_THROTTLES: Throttles = {
  readBps: { file: "io.max", prefix: "rbps=" },
  writeBps: { file: "io.max", prefix: "wbps=" },
  readIops: { file: "io.max", prefix: "riops=" },
  writeIops: { file: "io.max", prefix: "wiops=" },
};

function deviceSettings(rates: DeviceRates | undefined, context: SettingsContext, throttles: Throttles): Setting[] {
  // The keys of a record are the record's keys.
  const kinds = Object.keys(throttles) as (keyof DeviceRates)[];
  return kinds.flatMap((kind) =>
    (rates?.[kind] ?? []).map(({ path, rate }): Setting => {
      const { file, prefix } = throttles[kind];
      return { controller: "blkio", file, value: `${context.deviceNumber(path)} ${prefix}${rate}` };
    }),
  );
}
