/** The options that limit a container, by the names that Docker's command line has: of `run`, and of `update`. */

import type { LimitsInput } from "../api/limits.ts";
import { parseSize } from "../api/texts.ts";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import { collect } from "./command.ts";
import { countOption, cpusOption, sizeOption } from "./options.ts";
import type { Recipe } from "./recipe.ts";

export interface LimitOptions {
  memory?: string;
  memorySwap?: string;
  memoryReservation?: string;
  cpus?: string;
  cpuPeriod?: string;
  cpuQuota?: string;
  cpuShares?: string;
  cpusetCpus?: string;
  cpusetMems?: string;
  pidsLimit?: string;
  blkioWeight?: string;
}

export interface DeviceRateOptions {
  deviceReadBps?: string[];
  deviceWriteBps?: string[];
  deviceReadIops?: string[];
  deviceWriteIops?: string[];
  oomKillDisable?: boolean;
}

/** Adds the options that `run` and `update` share. */
export function addLimitOptions(command: Recipe): Recipe {
  return command
    .option("-m, --memory <size>", "limit the memory, such as 512m")
    .option("--memory-swap <size>", "limit memory and swap together; -1 for any amount of swap (default: no swap)")
    .option("--memory-reservation <size>", "memory that is left to the container when the machine is short of it")
    .option("--cpus <count>", "limit the CPU time, such as 0.5")
    .option("--cpu-period <us>", "limit the CPU time: the period of --cpu-quota (default 100000)")
    .option("--cpu-quota <us>", "limit the CPU time: microseconds in each period; -1 for no limit")
    .option("-c, --cpu-shares <weight>", "its weight among those that compete for CPUs (default 1024)")
    .option("--cpuset-cpus <list>", "the CPUs that it may use, such as 0-2,4")
    .option("--cpuset-mems <list>", "the memory nodes that it may use")
    .option("--pids-limit <count>", "limit the processes; -1 for no limit (default 512)")
    .option(
      "--blkio-weight <weight>",
      "its weight among those that compete for a disk (with the bfq scheduler), 10 to 1000",
    );
}

/** Adds those that only a new container can be given. */
export function addDeviceRateOptions(command: Recipe): Recipe {
  return command
    .option("--device-read-bps <device:rate>", "limit reading from a disk, such as /dev/sda:10m", collect)
    .option("--device-write-bps <device:rate>", "limit writing to a disk", collect)
    .option("--device-read-iops <device:rate>", "limit the reads a second from a disk", collect)
    .option("--device-write-iops <device:rate>", "limit the writes a second to a disk", collect)
    .option("--oom-kill-disable", "refused: a container that is out of memory and not ended would hang");
}

/** The limits as the API takes them; only those that were given. @throws ThawError INVALID. */
export function limitFields(options: LimitOptions): LimitsInput {
  const count =
    (option: string, least = 0) =>
    (text: string) =>
      countOption(option, text, least);
  return {
    ...field("Memory", options.memory, (text) => sizeOption("--memory", text)),
    ...field("MemorySwap", options.memorySwap, (text) => (text === "-1" ? -1 : sizeOption("--memory-swap", text))),
    ...field("MemoryReservation", options.memoryReservation, (text) => sizeOption("--memory-reservation", text)),
    ...field("NanoCpus", options.cpus, cpusOption),
    ...field("CpuPeriod", options.cpuPeriod, count("--cpu-period")),
    ...field("CpuQuota", options.cpuQuota, count("--cpu-quota", -1)),
    ...field("CpuShares", options.cpuShares, count("--cpu-shares")),
    ...field("CpusetCpus", options.cpusetCpus, (text) => text),
    ...field("CpusetMems", options.cpusetMems, (text) => text),
    ...field("PidsLimit", options.pidsLimit, count("--pids-limit", -1)),
    ...field("BlkioWeight", options.blkioWeight, count("--blkio-weight")),
  };
}

/** The rates of disks. @throws ThawError INVALID. */
export function deviceRateFields(options: DeviceRateOptions): LimitsInput {
  const rates = (option: string, parse: (text: string) => number | undefined) => (texts: readonly string[]) =>
    texts.map((text) => rateOption(option, text, parse));
  return {
    ...field("BlkioDeviceReadBps", options.deviceReadBps, rates("--device-read-bps", parseSize)),
    ...field("BlkioDeviceWriteBps", options.deviceWriteBps, rates("--device-write-bps", parseSize)),
    ...field("BlkioDeviceReadIOps", options.deviceReadIops, rates("--device-read-iops", wholeNumber)),
    ...field("BlkioDeviceWriteIOps", options.deviceWriteIops, rates("--device-write-iops", wholeNumber)),
    ...field("OomKillDisable", options.oomKillDisable, (on) => on),
  };
}

function field<K extends string, T, V>(name: K, given: T | undefined, convert: (given: T) => V) {
  // A computed key is only known to be a string.
  return given === undefined ? {} : ({ [name]: convert(given) } as { [key in K]: V });
}

function rateOption(option: string, text: string, parse: (text: string) => number | undefined) {
  const at = text.lastIndexOf(":");
  const rate = parse(text.slice(at + 1));
  if (text.startsWith("/") && at > 0 && rate !== undefined) return { Path: text.slice(0, at), Rate: rate };
  throw new ThawError("INVALID", `${option}: expected DEVICE:RATE, got ${show(text)}`, {
    hint: "For example /dev/sda:10m; rates of operations are whole numbers.",
  });
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
