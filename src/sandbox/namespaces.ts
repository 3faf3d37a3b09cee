/**
 * Which namespaces a container has and how they come about. Mount and pid namespaces are made with the process; the cgroup
 * namespace by the process itself once it is in its leaf, which thereby becomes the root that it sees; and what belongs
 * to a user namespace together with that (see user-namespace.ts).
 */
import type { ChildOp } from "../launcher/generated/protocol.ts";
import type { Cgroups, ShownLeaf } from "./cgroups/index.ts";

/** Flags of clone(2). */
export const Namespace = {
  time: 0x00000080n,
  mount: 0x00020000n,
  cgroup: 0x02000000n,
  uts: 0x04000000n,
  ipc: 0x08000000n,
  user: 0x10000000n,
  pid: 0x20000000n,
  net: 0x40000000n,
} as const;

/** Joins the leaves, and makes them the roots of all that the container sees of cgroups. */
export const CGROUP_ENTRY: readonly ChildOp[] = [
  { kind: "cgroup_join" },
  { kind: "unshare", namespaces: Namespace.cgroup },
];

/** How far a container's clocks are ahead of the host's, in nanoseconds; behind when negative. */
export interface ClockOffsets {
  readonly monotonicNs: bigint;
  readonly boottimeNs: bigint;
}

const NS = 1_000_000_000n;

/** A time namespace, for everything that is made or joined after it. The seconds must fit into 32 bits. */
export function timeOffsets({ monotonicNs, boottimeNs }: ClockOffsets): ChildOp {
  const seconds = (ns: bigint) => Number((ns - modulo(ns)) / NS);
  return {
    kind: "time_offsets",
    monotonicS: seconds(monotonicNs),
    monotonicNs: Number(modulo(monotonicNs)),
    boottimeS: seconds(boottimeNs),
    boottimeNs: Number(modulo(boottimeNs)),
  };
}

/** What a container's clocks say, in nanoseconds. */
export interface ClockReadings {
  readonly monotonicNs: bigint;
  readonly boottimeNs: bigint;
}

/** A time namespace whose clocks go on from these readings when the plan gets there; nothing without. */
export function clockFrom(readings: ClockReadings | undefined): ChildOp[] {
  return readings === undefined ? [] : [{ kind: "clock_from", ...readings }];
}

/** The part below a second, counted from the second before. */
function modulo(ns: bigint): bigint {
  return ((ns % NS) + NS) % NS;
}

/**
 * /sys/fs/cgroup as container engines show it: the container's own cgroups, read-only, by the names of controllers.
 * @param view  its leaves with the names that they are shown by.
 */
export function cgroupView({ layout }: Cgroups, view: readonly ShownLeaf[]): ChildOp {
  const target = "/sys/fs/cgroup";
  const paths = view.map(({ path }) => path);
  if (layout.version === 2) return { kind: "cgroup_view", target, names: [], paths, links: [] };
  const names = view.map(({ name }) => name);
  // "cpu,cpuacct" is known as "cpu", too.
  const links = names.flatMap((name) => (name.includes(",") ? name.split(",").flatMap((part) => [part, name]) : []));
  return { kind: "cgroup_view", target, names, paths, links };
}
