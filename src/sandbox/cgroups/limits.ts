/**
 * What a container may use, in the words of the Docker Engine API, and the rules among the values that hold on every
 * machine. What depends on the machine (its CPUs, its controllers) is checked in check.ts.
 */
import { ThawError } from "../../common/errors.ts";

/** A rate for one block device of the host. */
export interface DeviceRate {
  /** Absolute path of a whole block device. */
  readonly path: string;
  /** Bytes or operations a second. */
  readonly rate: number;
}

/** The four rates a block device can be given, by what they count. */
export interface DeviceRates {
  readonly readBps?: readonly DeviceRate[] | undefined;
  readonly writeBps?: readonly DeviceRate[] | undefined;
  readonly readIops?: readonly DeviceRate[] | undefined;
  readonly writeIops?: readonly DeviceRate[] | undefined;
}

/** Undefined: no limit (pids: DEFAULT_PIDS). */
export interface CgroupLimits {
  /** Bytes. */
  readonly memory: number | undefined;
  /** Billionths of a CPU; not together with `cpuPeriod` and `cpuQuota`, which say the same in other words. */
  readonly nanoCpus: number | undefined;
  readonly pids: number | undefined;
  /** Bytes of memory and swap together, -1 for as much swap as there is. Undefined: as `memory`, that is no swap. */
  readonly memorySwap?: number | undefined;
  /** Bytes that are left to the container when memory is short. */
  readonly memoryReservation?: number | undefined;
  /** Microseconds. */
  readonly cpuPeriod?: number | undefined;
  /** Microseconds in each period; -1 for no limit. */
  readonly cpuQuota?: number | undefined;
  /** Weight among those that compete for CPUs; 1024 is what everybody has. */
  readonly cpuShares?: number | undefined;
  /** Lists such as "0-2,4". */
  readonly cpusetCpus?: string | undefined;
  readonly cpusetMems?: string | undefined;
  /** Weight among those that compete for a disk, 10 to 1000. */
  readonly blkioWeight?: number | undefined;
  readonly devices?: DeviceRates | undefined;
}

/** Processes and threads of a container that asks for no other limit. */
export const DEFAULT_PIDS = 512;
/** Docker's and the kernel's own default, microseconds. */
export const CPU_PERIOD_US = 100_000;
/** The least the kernel takes, microseconds. */
export const LEAST_QUOTA_US = 1000;
/** Below this the kernel cannot even start a program. */
export const LEAST_MEMORY = 6 << 20;

const LONGEST_PERIOD_US = 1_000_000;
const SHARES = { least: 2, most: 262_144 } as const;
const WEIGHT = { least: 10, most: 1000 } as const;

/** @throws ThawError INVALID for values that make no sense on any machine. */
export function checkValues(limits: CgroupLimits): void {
  checkMemory(limits);
  checkCpu(limits);
  const { pids, blkioWeight } = limits;
  if (pids !== undefined && !(Number.isSafeInteger(pids) && pids > 1)) {
    throw invalid(`a limit of ${pids} processes is not possible`, "Give at least 2: one is the container's init.");
  }
  inRange("a block IO weight", blkioWeight, WEIGHT);
}

function checkMemory({ memory, memorySwap, memoryReservation }: CgroupLimits): void {
  if (memory !== undefined && !atLeast(memory, LEAST_MEMORY)) {
    throw invalid(`a memory limit of ${memory} bytes is too small`, "Give at least 6m.");
  }
  if (memorySwap !== undefined && memorySwap !== -1) {
    if (memory === undefined) {
      throw invalid(
        "a limit of memory and swap was given, and none of memory",
        "Give --memory as well: --memory-swap is the sum of both.",
      );
    }
    if (!atLeast(memorySwap, memory)) {
      throw invalid(
        `the limit of memory and swap (${memorySwap}) is below that of memory (${memory})`,
        "Give --memory-swap as the sum of both; equal to --memory it means no swap, -1 any amount.",
      );
    }
  }
  if (memoryReservation === undefined) return;
  if (!atLeast(memoryReservation, LEAST_MEMORY)) {
    throw invalid(`a memory reservation of ${memoryReservation} bytes is too small`, "Give at least 6m.");
  }
  if (memory !== undefined && memoryReservation > memory) {
    throw invalid(
      `the memory reservation (${memoryReservation}) is above the memory limit (${memory})`,
      "Give --memory-reservation less than --memory.",
    );
  }
}

function checkCpu({ nanoCpus, cpuPeriod, cpuQuota, cpuShares }: CgroupLimits): void {
  if (nanoCpus !== undefined && !atLeast(nanoCpus, 1)) {
    throw invalid(`a CPU limit of ${nanoCpus / 1e9} is not possible`, "Give, say, 0.5 or 2.");
  }
  if (nanoCpus !== undefined && (cpuPeriod !== undefined || cpuQuota !== undefined)) {
    throw invalid("--cpus and --cpu-period or --cpu-quota say the same in two ways", "Give one of them.");
  }
  inRange("a CPU period in microseconds", cpuPeriod, { least: LEAST_QUOTA_US, most: LONGEST_PERIOD_US });
  if (cpuQuota !== undefined && cpuQuota !== -1 && !atLeast(cpuQuota, LEAST_QUOTA_US)) {
    throw invalid(`a CPU quota of ${cpuQuota} microseconds is not possible`, "Give at least 1000, or -1 for no limit.");
  }
  inRange("CPU shares", cpuShares, SHARES);
}

function atLeast(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

function inRange(what: string, value: number | undefined, { least, most }: { least: number; most: number }): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least && value <= most)) return;
  throw invalid(`${what} of ${value} is not possible`, `Give ${least} to ${most}.`);
}

function invalid(message: string, hint: string): ThawError {
  return new ThawError("INVALID", message, { hint });
}
