/**
 * The lean container: what the literature on fast starts measures, and what `--lean` gives to those who want no more.
 */
import { type ChildOp, type HostOp, type Op, Role, Wait } from "../launcher/generated/protocol.ts";
import { capabilityBits, DEFAULT_CAPABILITIES } from "./capabilities.ts";
import type { Cgroups } from "./cgroups/index.ts";
import { deviceLeafOps } from "./isolation-plan.ts";
import { CGROUP_ENTRY, Namespace } from "./namespaces.ts";
import { identityOps, spawn } from "./plan.ts";
import { plainPart, pooledPart } from "./pooled.ts";
import type { SeccompFilter } from "./seccomp/filters.ts";
import { PROC } from "./tables.ts";
import type { ContainerUser } from "./user.ts";
import { enterUserNamespace, type IdRange, namespacesOfProcess, ownSpaces, userNamespace } from "./user-namespace.ts";

/** The smallest container: what the creation benchmark measures. */
export interface LeanOptions {
  readonly id: string;
  readonly cgroups: Cgroups;
  /** A directory, bound read-only as the root. */
  readonly root: string;
  /** The program; without one the process exits at once. */
  readonly argv?: readonly string[];
  readonly env?: readonly string[];
  /** Gives it a user namespace. */
  readonly ids?: IdRange | undefined;
  /** A network namespace of its own too, with loopback up. */
  readonly network?: boolean;
  readonly filter?: SeccompFilter | undefined;
}

/** There is nothing but /proc to be made ahead, which needs no tray to be put on. */
const PROC_AHEAD: ChildOp = {
  kind: "mount_ahead",
  fstype: PROC.fstype,
  target: PROC.target,
  // nosuid, nodev and noexec are the same numbers for mount(2) and as attributes.
  attributes: PROC.flags,
};
const LEAN_USER: ContainerUser = { uid: 0, gid: 0, groups: [], home: "/" };
const LEAN = Namespace.pid | Namespace.ipc | Namespace.uts;

/**
 * A container with namespaces, cgroup leaves, a root with /proc, the default capabilities, a filter when given, and no
 * more: no init, no /dev, nothing of /proc hidden. All but the root can be made ahead.
 */
export function leanPlan(options: LeanOptions): Op[] {
  const { argv, env = [], ids, filter } = options;
  const path = argv?.[0];
  const end: ChildOp = argv && path !== undefined ? { kind: "exec", path, argv, env } : { kind: "exit", status: 0 };
  return [
    ...emptyLean(options, Role.main, end.kind === "exec" ? Wait.exec : Wait.none),
    ...leanRoot(options),
    ...enterUserNamespace(ids),
    ...identityOps(LEAN_USER, {}, filter),
    end,
  ];
}

/**
 * The oldest way to be quick: one sandbox for all, which `sandbox` makes and which stays; each container is only a
 * process that joins its namespaces, leaves and root (`member`). Nothing parts the containers from each other.
 */
export function sharedLeanPlans(options: LeanOptions): { readonly sandbox: Op[]; readonly member: Op[] } {
  const { id, cgroups, filter } = options;
  return {
    sandbox: [
      ...emptyLean(options, Role.holder, Wait.ready),
      ...leanRoot(options),
      { kind: "ready" },
      { kind: "hold" },
    ],
    member: [
      ...cgroups.leaves(id).map((path): HostOp => ({ kind: "cgroup_open", path })),
      { kind: "spawn", role: Role.main, wait: Wait.none, namespaces: 0n, join: 1 },
      { kind: "cgroup_join" },
      { kind: "join" },
      ...identityOps(LEAN_USER, {}, filter),
      { kind: "exit", status: 0 },
    ],
  };
}

function leanRoot({ root }: LeanOptions): ChildOp[] {
  return [{ kind: "root_bind", path: root, readonly: 1 }, { kind: "from_tray", path: PROC.target }, { kind: "pivot" }];
}

function emptyLean({ id, cgroups, ids, network = false }: LeanOptions, role: number, wait: number): Op[] {
  const namespaces = network ? LEAN | Namespace.net : LEAN;
  const part = {
    cgroups,
    id,
    host: [...userNamespace(namespaces, ids), ...deviceLeafOps(cgroups, id)],
    spawn: spawn(role, wait, namespacesOfProcess(namespaces, ids)),
    inside: [
      { kind: "die_with_parent" },
      ...CGROUP_ENTRY,
      ...ownSpaces(ids),
      { kind: "empty_mounts" },
      PROC_AHEAD,
      { kind: "bounding", keep: capabilityBits(DEFAULT_CAPABILITIES) },
      ...(network ? [{ kind: "loopback_up" } as const] : []),
    ] satisfies ChildOp[],
  };
  return ids === undefined ? pooledPart(part) : plainPart(part);
}
