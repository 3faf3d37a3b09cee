/**
 * What a used leaf must forget before another container gets it: operations that bring limits and counters back to
 * what a fresh leaf has. The trees' parents never change, so neither does what is fresh.
 *
 * Some counters only grow. A leaf that has something in them which a container or `thaw stats` would notice is not
 * kept: OOM kills (the launcher looks at that), throttled periods (`isReusable`). Left are memory.stat's event counts
 * (page faults), what page cache is charged to the leaf (pushing it out costs more than a new leaf; the launcher keeps
 * none with more than a little), cpuacct.stat (stats.ts reads cpuacct.usage_user and _sys, which are reset) and pids.peak and pids.events.
 */
import { join } from "node:path";
import type { HostOp } from "../../launcher/generated/protocol.ts";
import type { Cgroups } from "./cgroups.ts";
import type { Controller } from "./detect.ts";
import type { CgroupLimits } from "./limits.ts";
import { cpuTime, wantedControllers } from "./settings.ts";

const FRESH_V1: readonly (readonly [Controller, file: string, value: string])[] = [
  // Frozen processes could not be moved; there are none left, but the state would stay.
  ["freezer", "freezer.state", "THAWED"],
  ["cpu", "cpu.cfs_quota_us", "-1"],
  ["cpu", "cpu.cfs_period_us", "100000"],
  ["cpu", "cpu.shares", "1024"],
  ["cpuacct", "cpuacct.usage", "0"],
  ["pids", "pids.max", "max"],
  ["memory", "memory.soft_limit_in_bytes", "-1"],
];
/** Swap and memory together are never below memory alone, so without limits they come first. */
const SWAP_V1 = ["memory", "memory.memsw.limit_in_bytes", "-1"] as const;
const MEMORY_V1: typeof FRESH_V1 = [
  ["memory", "memory.limit_in_bytes", "-1"],
  ["memory", "memory.max_usage_in_bytes", "0"],
  ["memory", "memory.kmem.max_usage_in_bytes", "0"],
  ["memory", "memory.failcnt", "0"],
];
const SWAP_COUNTERS_V1: typeof FRESH_V1 = [
  ["memory", "memory.memsw.max_usage_in_bytes", "0"],
  ["memory", "memory.memsw.failcnt", "0"],
];

/**
 * Operations after which a v1 container's leaves are as fresh ones, cpuset and blkio left aside: only containers that
 * ask for a limit there have leaves of their own, and those are not kept. With v2 there are none: a leaf cannot be
 * renamed there, so it is never kept.
 */
export function freshLeaves(cgroups: Cgroups, id: string, limits?: CgroupLimits): HostOp[] {
  if (cgroups.layout.version === 2) return [];
  const swap = cgroups.layout.swapLimit;
  const used = [...FRESH_V1, ...(swap ? [SWAP_V1] : []), ...MEMORY_V1, ...(swap ? SWAP_COUNTERS_V1 : [])];
  return used
    .filter(([controller]) => limits === undefined || touched(controller, limits))
    .flatMap(([controller, file, value]): HostOp[] => {
      const leaf = cgroups.leaf(id, controller);
      return leaf === undefined ? [] : [{ kind: "cgroup_set", path: join(leaf, file), value }];
    });
}

/** Whether leaves of a container that had these limits can be made fresh again, whatever happened in them. */
export function isReusable(cgroups: Cgroups, limits: CgroupLimits): boolean {
  return cgroups.layout.version === 1 && cpuTime(limits) === undefined;
}

/**
 * Whether anything of a controller may differ in a leaf whose container had these limits. Usage counters always do;
 * a live change of limits makes it necessary to reset all (leave `limits` out).
 */
function touched(controller: Controller, limits: CgroupLimits): boolean {
  return controller !== "cpu" || wantedControllers(limits).includes("cpu");
}

/** Leaves of one tree that are kept for later containers. */
const MOST_SPARES = 16;

/** Trees whose leaves are made fresh by `freshLeaves`, or have nothing that a container changes. */
const KEPT: readonly Controller[] = ["freezer", "cpu", "cpuacct", "pids", "memory", "devices"];

/** Operations at the end of a container: its leaves are kept for the next one where that is possible, else removed. */
export function retireLeaves(cgroups: Cgroups, id: string, limits: CgroupLimits): HostOp[] {
  const removals = cgroups.remove(id);
  if (!isReusable(cgroups, limits)) return removals;
  const kept = new Set(KEPT.map((controller) => cgroups.leaf(id, controller)));
  return [
    // All of it: limits may have been changed while it ran.
    ...freshLeaves(cgroups, id),
    ...removals.map((op): HostOp => {
      const isKept = op.kind === "cgroup_remove" && kept.has(op.path);
      return isKept ? { kind: "cgroup_spare", path: op.path, most: MOST_SPARES } : op;
    }),
  ];
}
