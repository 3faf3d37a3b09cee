/**
 * What this machine can limit: its CPUs, its memory nodes, its disks and the controllers of its cgroups. Limits that it
 * cannot keep are refused before anything is made, in words that say what is missing.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { availableParallelism } from "node:os";
import { basename, join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { CgroupLayout, Controller } from "./detect.ts";
import { type CgroupLimits, checkValues, type DeviceRates } from "./limits.ts";
import { parseNumbers } from "./numbers.ts";
import { type SettingsContext, wantedControllers } from "./settings.ts";

const WEIGHT_FILES = { 1: ["blkio.bfq.weight", "blkio.weight"], 2: ["io.bfq.weight", "io.weight"] } as const;
const LEAST_NANO_CPUS = 10_000_000;

/** The machine as far as limits go. `parent` is the directory of all of this daemon's containers in a tree. */
export class LimitsMachine implements SettingsContext {
  readonly swapLimit: boolean;
  readonly #layout: CgroupLayout;
  readonly #parent: (controller: Controller) => string | undefined;

  constructor(layout: CgroupLayout, parent: (controller: Controller) => string | undefined) {
    this.swapLimit = layout.swapLimit;
    this.#layout = layout;
    this.#parent = parent;
  }

  readonly weightFile = (): string | undefined => {
    const parent = this.#parent("blkio");
    return parent && WEIGHT_FILES[this.#layout.version].find((name) => existsSync(join(parent, name)));
  };

  readonly deviceNumber = (path: string): string => {
    const { rdev } = statSync(path);
    // The split of a dev_t, as of gnu_dev_major(3) and gnu_dev_minor(3).
    return `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
  };

  readonly cpuset = (): { cpus: string; mems: string } => ({
    cpus: this.#read("cpuset", ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"]),
    mems: this.#read("cpuset", ["cpuset.mems.effective", "cpuset.effective_mems", "cpuset.mems"]),
  });

  /** @throws ThawError INVALID, PATH_NOT_FOUND, UNSUPPORTED_MACHINE. */
  check(limits: CgroupLimits): void {
    checkValues(limits);
    for (const controller of wantedControllers(limits)) {
      if (this.#parent(controller) === undefined) throw missing(controller);
    }
    if (limits.memory !== undefined && this.#parent("memory") === undefined) throw missing("memory");
    this.#checkSwap(limits);
    checkNanoCpus(limits);
    this.#checkSet("CPUs", limits.cpusetCpus, () => this.cpuset().cpus);
    this.#checkSet("memory nodes", limits.cpusetMems, () => this.cpuset().mems);
    this.#checkBlockIo(limits);
  }

  #checkSwap({ memory, memorySwap }: CgroupLimits): void {
    if (this.#layout.version === 2 || this.swapLimit || memorySwap === undefined || memorySwap === memory) return;
    throw new ThawError("UNSUPPORTED_MACHINE", "this kernel does not count swap, so it cannot be limited", {
      hint: "Leave --memory-swap out, or boot with swapaccount=1.",
    });
  }

  #checkSet(what: string, asked: string | undefined, available: () => string): void {
    if (asked === undefined) return;
    const numbers = parseNumbers(asked);
    if (!numbers) {
      throw new ThawError("INVALID", `${JSON.stringify(asked)} is not a list of ${what}`, {
        hint: 'Write numbers and ranges, such as "0-2,4".',
      });
    }
    const there = available();
    const has = parseNumbers(there) ?? new Set();
    if ([...numbers].every((number) => has.has(number))) return;
    throw new ThawError("INVALID", `the ${what} ${asked} are not all there: this machine has ${there}`, {
      hint: `Give some of ${there}.`,
    });
  }

  #checkBlockIo({ blkioWeight, devices }: CgroupLimits): void {
    if (blkioWeight !== undefined && this.weightFile() === undefined) {
      throw new ThawError("UNSUPPORTED_MACHINE", "this kernel knows no block IO weights", {
        hint: "They need the bfq scheduler or iocost in the kernel. Rates (--device-read-bps...) need neither.",
      });
    }
    for (const { path, rate } of allRates(devices)) {
      if (!(Number.isSafeInteger(rate) && rate > 0)) {
        throw new ThawError("INVALID", `a rate of ${rate} for ${path} is not possible`, { hint: "Give at least 1." });
      }
      checkDevice(path);
    }
  }

  /** The first of some files that there is, trimmed; "" when there is none. */
  #read(controller: Controller, files: readonly string[]): string {
    const parent = this.#parent(controller);
    for (const file of parent ? files : []) {
      try {
        const text = readFileSync(join(parent ?? "", file), "utf8").trim();
        if (text !== "") return text;
      } catch {
        // The other world's name.
      }
    }
    return "";
  }
}

function checkNanoCpus({ nanoCpus }: CgroupLimits): void {
  if (nanoCpus === undefined) return;
  const cpus = availableParallelism();
  if (nanoCpus >= LEAST_NANO_CPUS && nanoCpus <= cpus * 1e9) return;
  throw new ThawError("INVALID", `a CPU limit of ${nanoCpus / 1e9} is not possible: this machine has ${cpus} CPUs`, {
    hint: `Give 0.01 to ${cpus}.`,
  });
}

/** All rates of all kinds. */
function allRates(devices: DeviceRates | undefined) {
  return [devices?.readBps, devices?.writeBps, devices?.readIops, devices?.writeIops].flatMap((rates) => rates ?? []);
}

/** The kernel throttles whole disks only. */
function checkDevice(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (!stats) {
    throw new ThawError("PATH_NOT_FOUND", `${path} does not exist, so it cannot be given a rate`, {
      hint: "Name a block device such as /dev/sda.",
    });
  }
  if (!stats.isBlockDevice()) {
    throw new ThawError("INVALID", `${path} is not a block device`, { hint: "Name one such as /dev/sda." });
  }
  if (existsSync(join("/sys/class/block", basename(path), "partition"))) {
    throw new ThawError("INVALID", `${path} is a partition; rates are for whole disks`, { hint: "Name its disk." });
  }
}

function missing(controller: Controller): ThawError {
  return new ThawError("UNSUPPORTED_MACHINE", `this machine has no ${controller} cgroup controller`, {
    hint: `Leave the limit out, or mount the controller (on v1: mount -t cgroup -o ${controller} ...).`,
  });
}
