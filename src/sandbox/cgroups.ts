/**
 * Where a container's cgroup leaves are and which files of them hold its limits. Which of the two worlds the machine
 * has is seen in the mount table: with cgroup v2 alone /sys/fs/cgroup is one tree; with v1 or hybrid each controller
 * has its own. All leaves of one daemon are below `thaw-<instance>`, so that daemons with different directories do not
 * disturb each other and what is left over after a crash is known by its path.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ThawError } from "../common/errors.ts";
import type { HostOp } from "../launcher/generated/protocol.ts";
import { DEVICE_RULES } from "./tables.ts";

const CONTROLLERS = ["memory", "cpu", "pids", "freezer", "devices"] as const;
type Controller = (typeof CONTROLLERS)[number];

/** One tree of cgroups and the controllers in it that thaw uses. */
export interface Hierarchy {
  readonly mount: string;
  readonly controllers: readonly Controller[];
}

/** The machine's cgroups. */
export interface CgroupLayout {
  readonly version: 1 | 2;
  readonly hierarchies: readonly Hierarchy[];
  /** v1: swap is accounted too and has to be limited with the memory. */
  readonly swapLimit: boolean;
}

/** What a container may use. Undefined: no limit (pids: DEFAULT_PIDS). */
export interface CgroupLimits {
  /** Bytes. */
  readonly memory: number | undefined;
  /** Billionths of a CPU. */
  readonly nanoCpus: number | undefined;
  readonly pids: number | undefined;
}

/** Processes and threads of a container that asks for no other limit. */
export const DEFAULT_PIDS = 512;
const CPU_PERIOD_US = 100_000;
const LEAST_QUOTA_US = 1000;

/** Finds the cgroups of this machine. @throws ThawError UNSUPPORTED_MACHINE when there are none. */
export function detectCgroups(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): CgroupLayout {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  const unified = mounts.find(({ fstype, mount }) => fstype === "cgroup2" && mount === "/sys/fs/cgroup");
  if (unified) {
    return { version: 2, hierarchies: [{ mount: unified.mount, controllers: CONTROLLERS }], swapLimit: true };
  }
  const hierarchies = mounts
    .filter(({ fstype }) => fstype === "cgroup")
    .map(({ mount, options }) => ({ mount, controllers: CONTROLLERS.filter((name) => options.includes(name)) }))
    .filter(({ controllers }) => controllers.length > 0);
  if (hierarchies.length === 0) {
    throw new ThawError("UNSUPPORTED_MACHINE", "no cgroup hierarchy with memory, cpu or pids is mounted", {
      hint: "Mount cgroup2 on /sys/fs/cgroup (mount -t cgroup2 none /sys/fs/cgroup) and try again.",
    });
  }
  const memory = hierarchies.find(({ controllers }) => controllers.includes("memory"));
  const swapLimit = memory !== undefined && existsSync(join(memory.mount, "memory.memsw.limit_in_bytes"));
  return { version: 1, hierarchies, swapLimit };
}

/** A line of mountinfo: id parent device root MOUNT options [fields...] - FSTYPE source SUPER-OPTIONS. */
function parseMount(line: string): { mount: string; fstype: string; options: string[] }[] {
  const [before, after] = line.split(" - ");
  const mount = before?.split(" ")[4];
  const [fstype, , options] = after?.split(" ") ?? [];
  return mount && fstype && options ? [{ mount, fstype, options: options.split(",") }] : [];
}

/** The cgroups of one daemon's containers on a machine. */
export class Cgroups {
  readonly layout: CgroupLayout;
  /** `thaw-` and 8 hex digits that belong to the run directory. */
  readonly parent: string;

  constructor(layout: CgroupLayout, runDirectory: string) {
    this.layout = layout;
    this.parent = `thaw-${createHash("sha256").update(runDirectory).digest("hex").slice(0, 8)}`;
  }

  /** The leaves of a container, one a hierarchy. */
  leaves(id: string): string[] {
    return this.layout.hierarchies.map(({ mount }) => join(mount, this.parent, id));
  }

  /** The directory of leaves that allow more devices than usual: one where the v1 devices controller is, else none. */
  wideParents(): string[] {
    const trees = this.layout.version === 1 ? this.layout.hierarchies : [];
    const devices = trees.filter(({ controllers }) => controllers.includes("devices"));
    return devices.map(({ mount }) => join(mount, `${this.parent}-devices`));
  }

  /** Operations that make a container's leaves. */
  make(id: string): HostOp[] {
    return this.leaves(id).map((path) => ({ kind: "cgroup_make", path }));
  }

  /** Operations that set a container's limits. */
  limit(id: string, limits: CgroupLimits): HostOp[] {
    return this.#settings(id, limits).map(([path, value]) => ({ kind: "cgroup_set", path, value }));
  }

  /** Operations that kill what is left in a container's leaves and remove them. */
  remove(id: string): HostOp[] {
    return this.leaves(id).map((path) => ({ kind: "cgroup_remove", path }));
  }

  /** Bytes of memory, page cache included, that a container holds; 0 when it has no leaf. */
  memoryBytes(id: string): number {
    const tree = this.layout.hierarchies.find(({ controllers }) => controllers.includes("memory"));
    if (!tree) return 0;
    const file = this.layout.version === 2 ? "memory.current" : "memory.usage_in_bytes";
    try {
      return Number(readFileSync(join(tree.mount, this.parent, id, file), "utf8"));
    } catch {
      return 0;
    }
  }

  #settings(id: string, limits: CgroupLimits): [path: string, value: string][] {
    const settings = this.layout.version === 2 ? settingsV2(limits) : settingsV1(limits, this.layout.swapLimit);
    return this.layout.hierarchies.flatMap(({ mount, controllers }) =>
      settings
        .filter(({ controller }) => controllers.includes(controller))
        .map(({ file, value }): [string, string] => [join(mount, this.parent, id, file), value]),
    );
  }

  /** Makes the parents of all leaves. Harmless when they exist. @throws ThawError NOT_PERMITTED, UNSUPPORTED_MACHINE. */
  async prepare(): Promise<void> {
    for (const { mount, controllers } of this.layout.hierarchies) {
      const parent = join(mount, this.parent);
      try {
        if (this.layout.version === 2) await enableControllers(mount);
        await mkdir(parent, { recursive: true });
        if (this.layout.version === 2) await enableControllers(parent);
        else if (controllers.includes("devices")) await restrictDevices(parent);
      } catch (error) {
        throw new ThawError("UNSUPPORTED_MACHINE", `cannot make a cgroup under ${mount}: ${String(error)}`, {
          hint: "Run thaw as root on a machine whose /sys/fs/cgroup is writable.",
          cause: error,
        });
      }
    }
  }

  #parents(): string[] {
    return [...this.layout.hierarchies.map(({ mount }) => join(mount, this.parent)), ...this.wideParents()];
  }

  /** Names of the leaves that exist, of any container of this daemon. */
  async existing(): Promise<Set<string>> {
    const names = new Set<string>();
    for (const parent of this.#parents()) {
      const entries = await readdir(parent, { withFileTypes: true }).catch(() => []);
      for (const entry of entries) if (entry.isDirectory()) names.add(entry.name);
    }
    return names;
  }

  /** Removes the parents when no container has a leaf in them. */
  async removeParents(): Promise<void> {
    for (const parent of this.#parents()) {
      await rmdir(parent).catch((error: unknown) => {
        if (!["ENOENT", "EBUSY", "ENOTEMPTY"].includes(errnoOf(error) ?? "")) throw error;
      });
    }
  }
}

/** Each by itself: one that the machine lacks does not keep the others from being enabled. */
async function enableControllers(directory: string): Promise<void> {
  for (const controller of ["memory", "cpu", "pids"]) {
    await writeFile(join(directory, "cgroup.subtree_control"), `+${controller}`).catch(() => {});
  }
}

/** Leaves inherit the rules when they are made. Rules can only be taken away while there is no leaf. */
async function restrictDevices(parent: string): Promise<void> {
  const rules = await readFile(join(parent, "devices.list"), "utf8");
  if (!rules.startsWith("a ")) return;
  await writeFile(join(parent, "devices.deny"), "a");
  for (const rule of DEVICE_RULES) await writeFile(join(parent, "devices.allow"), rule);
}

interface Setting {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
}

function settingsV1(limits: CgroupLimits, swapLimit: boolean): Setting[] {
  const settings: Setting[] = [{ controller: "pids", file: "pids.max", value: String(limits.pids ?? DEFAULT_PIDS) }];
  if (limits.memory !== undefined) {
    const value = String(limits.memory);
    settings.push({ controller: "memory", file: "memory.limit_in_bytes", value });
    if (swapLimit) settings.push({ controller: "memory", file: "memory.memsw.limit_in_bytes", value });
  }
  if (limits.nanoCpus !== undefined) {
    settings.push({ controller: "cpu", file: "cpu.cfs_period_us", value: String(CPU_PERIOD_US) });
    settings.push({ controller: "cpu", file: "cpu.cfs_quota_us", value: String(quota(limits.nanoCpus)) });
  }
  return settings;
}

function settingsV2(limits: CgroupLimits): Setting[] {
  const settings: Setting[] = [{ controller: "pids", file: "pids.max", value: String(limits.pids ?? DEFAULT_PIDS) }];
  if (limits.memory !== undefined) {
    settings.push({ controller: "memory", file: "memory.max", value: String(limits.memory) });
    settings.push({ controller: "memory", file: "memory.swap.max", value: "0" });
    // Out of memory, all of the container dies, not one process that the others wait for.
    settings.push({ controller: "memory", file: "memory.oom.group", value: "1" });
  }
  if (limits.nanoCpus !== undefined) {
    settings.push({ controller: "cpu", file: "cpu.max", value: `${quota(limits.nanoCpus)} ${CPU_PERIOD_US}` });
  }
  return settings;
}

function quota(nanoCpus: number): number {
  return Math.max(LEAST_QUOTA_US, Math.round((nanoCpus * CPU_PERIOD_US) / 1e9));
}
