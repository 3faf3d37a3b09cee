/**
 * The part of a plan that can be made ahead (see native/launcher/pool.c): everything from `pooled` to `park`. Its shape
 * is a digest of the operations themselves with the container's own cgroup leaves left open, so that a sandbox made
 * ahead is taken only by a plan that would have made exactly the same one; whatever is changed, by a new version of
 * thaw or on the machine, changes the digest, and what was parked before is never taken again.
 *
 * A leaf gets its container's name when it is taken, which only cgroup v1 can: with v2 nothing is marked, and every
 * sandbox is made when it is wanted.
 */
import { createHash } from "node:crypto";
import type { ChildOp, HostOp, Op, SpawnOp } from "../launcher/generated/protocol.ts";
import type { CgroupLimits, Cgroups } from "./cgroups/index.ts";

/** What all containers of a shape have in common. */
export interface SharedPart {
  readonly cgroups: Cgroups;
  /** Names the container's leaves, which are made first and whose paths may stand in the operations. */
  readonly id: string;
  /** Decide which leaves there are. Setting them is not part of it. */
  readonly limits?: CgroupLimits;
  readonly host: readonly HostOp[];
  readonly spawn: SpawnOp;
  readonly inside: readonly ChildOp[];
}

const SHAPE_DIGITS = 32;
/** Stands for the name of a container's leaves. */
const ANY = "*";

/** The operations of the part. */
export function plainPart({ cgroups, id, limits, host, spawn, inside }: SharedPart): Op[] {
  return [...cgroups.make(id, limits), ...host, spawn, ...inside];
}

/** The same, marked. */
export function pooledPart(shared: SharedPart): Op[] {
  const { cgroups, id } = shared;
  const part = plainPart(shared);
  if (cgroups.layout.version === 2) return part;
  return [{ kind: "pooled", shape: shapeOfPart(part, cgroups.leaves(id)) }, ...part, { kind: "park" }];
}

function shapeOfPart(part: readonly Op[], leaves: readonly string[]): string {
  const general = part.map((op) => renameLeaves(op, leaves, ANY));
  const text = JSON.stringify(general, (_, value: unknown) => {
    if (typeof value === "bigint") return String(value);
    return value instanceof Uint8Array ? Buffer.from(value).toString("base64") : value;
  });
  return createHash("sha256").update(text).digest("hex").slice(0, SHAPE_DIGITS);
}

/** The operation with the last name of each leaf's path replaced. */
export function renameLeaves(op: Op, leaves: readonly string[], name: string): Op {
  const renamed = (text: string) => {
    const leaf = leaves.find((path) => text === path || text.startsWith(`${path}/`));
    return leaf === undefined ? text : `${leaf.slice(0, leaf.lastIndexOf("/") + 1)}${name}${text.slice(leaf.length)}`;
  };
  const fields = Object.entries(op).map(([key, value]: [string, unknown]) => {
    if (typeof value === "string") return [key, renamed(value)];
    return [key, isStrings(value) ? value.map(renamed) : value];
  });
  // Only texts within the fields have changed.
  return Object.fromEntries(fields) as Op;
}

function isStrings(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === "string");
}

/**
 * The part of a shape with a network namespace that is wired ahead, as a plan has it whose network `isAhead`.
 * @param leaves  those that stand in `part`.
 */
export function wiredPart(part: readonly Op[], leaves: readonly string[], wiring: readonly ChildOp[]): Op[] {
  const unmarked = [...part.filter(({ kind }) => kind !== "pooled" && kind !== "park"), ...wiring];
  return [{ kind: "pooled", shape: shapeOfPart(unmarked, leaves) }, ...unmarked, { kind: "park" }];
}

/** Whether a part has been wired: then it belongs to one address, and there can be only one of it. */
export function isWired(part: readonly Op[]): boolean {
  return part.some(({ kind }) => kind === "netlink_inside");
}

/** A shape's part as it stands in a plan, and the shape; undefined when the plan has none. */
export function partOf(plan: readonly Op[]): { readonly shape: string; readonly part: readonly Op[] } | undefined {
  const from = plan.findIndex(({ kind }) => kind === "pooled");
  const to = plan.findIndex(({ kind }) => kind === "park");
  const first = plan[from];
  return first?.kind === "pooled" ? { shape: first.shape, part: plan.slice(from, to + 1) } : undefined;
}
