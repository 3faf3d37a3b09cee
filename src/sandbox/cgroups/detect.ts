/**
 * Which of the cgroup worlds the machine has, seen in its mount table: with cgroup v2 alone /sys/fs/cgroup is one
 * tree; with v1 or hybrid each controller has a tree of its own (or shares one: cpu,cpuacct).
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";

const CONTROLLERS = ["memory", "cpu", "cpuacct", "pids", "freezer", "devices", "cpuset", "blkio"] as const;
/** By v1's names. */
export type Controller = (typeof CONTROLLERS)[number];

/** What v2 has without asking for a controller. */
export const BUILT_IN_V2: readonly Controller[] = ["freezer", "devices", "cpuacct"];

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

/** v2's name of a controller. */
export function nameOnV2(controller: Controller): string {
  return controller === "blkio" ? "io" : controller;
}

/** Finds the cgroups of this machine. @throws ThawError UNSUPPORTED_MACHINE when there are none. */
export function detectCgroups(mountinfo = readFileSync("/proc/self/mountinfo", "utf8")): CgroupLayout {
  const mounts = mountinfo.split("\n").flatMap(parseMount);
  const unified = mounts.find(({ fstype, mount }) => fstype === "cgroup2" && mount === "/sys/fs/cgroup");
  if (unified) return layoutV2(unified.mount);
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

/** Which controllers a v2 tree really has is in a file at its root; one that cannot be read is taken to have all. */
function layoutV2(mount: string): CgroupLayout {
  const has = controllersV2(mount);
  const controllers = CONTROLLERS.filter(
    (name) => BUILT_IN_V2.includes(name) || (has?.includes(nameOnV2(name)) ?? true),
  );
  return { version: 2, hierarchies: [{ mount, controllers }], swapLimit: true };
}

function controllersV2(mount: string): string[] | undefined {
  try {
    return readFileSync(join(mount, "cgroup.controllers"), "utf8").trim().split(" ");
  } catch {
    return undefined;
  }
}

/** A line of mountinfo: id parent device root MOUNT options [fields...] - FSTYPE source SUPER-OPTIONS. */
function parseMount(line: string): { mount: string; fstype: string; options: string[] }[] {
  const [before, after] = line.split(" - ");
  const mount = before?.split(" ")[4];
  const [fstype, , options] = after?.split(" ") ?? [];
  return mount && fstype && options ? [{ mount, fstype, options: options.split(",") }] : [];
}
