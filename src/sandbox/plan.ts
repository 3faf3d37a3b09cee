/**
 * Containers as plans for the launcher. The sandbox is set up by its `holder`, pid 1 of the new namespaces: cgroups,
 * root, /dev, /proc and /sys, what is hidden of them, and then it only reaps. The program is a second process, made
 * inside those namespaces by the launcher itself, which therefore learns its exact end. A restore uses the same
 * sandbox stage and puts its engine in the program's place. Each function below is one aspect; order matters where a
 * comment says so.
 */
import { type ChildOp, type HostOp, type Op, Phase, Role, type SpawnOp, Wait } from "../launcher/generated/protocol.ts";
import { capabilityBits, chosenCapabilities } from "./capabilities.ts";
import { type CgroupLimits, type Cgroups, retireLeaves } from "./cgroups/index.ts";
import { devOps, isOnTray } from "./dev.ts";
import { containerEnv, etcFiles } from "./environment.ts";
import { HOOKS } from "./identity/hooks.ts";
import type { Isolation } from "./isolation.ts";
import {
  deviceLeafCleanup,
  deviceLeafOps,
  deviceOps,
  hideOps,
  keepOps,
  limitOps,
  mountOps,
  namespaceOps,
  ownLeaves,
  readonlyRootOps,
  type SandboxBind,
  sharesNamespace,
  sysOp,
} from "./isolation-plan.ts";
import { leanRoot } from "./lean-root.ts";
import { CGROUP_ENTRY, type ClockReadings, cgroupView, clockFrom, Namespace } from "./namespaces.ts";
import { type SandboxNetwork, wiringOps } from "./network.ts";
import { plainPart, pooledPart, type SharedPart } from "./pooled.ts";
import type { SeccompFilter } from "./seccomp/filters.ts";
import { PROC, TRAY } from "./tables.ts";
import type { ContainerUser } from "./user.ts";
import { enterUserNamespace, type IdRange, namespacesOfProcess, ownSpaces, userNamespace } from "./user-namespace.ts";

/** What a container lives in. */
export interface SandboxOptions {
  /** Names the cgroup leaves. */
  readonly id: string;
  readonly cgroups: Cgroups;
  readonly limits: CgroupLimits;
  /** Directories of the root, top first. */
  readonly lowers: readonly string[];
  /** The writable layer and overlayfs's own directory beside it, made when missing. */
  readonly upper: string;
  readonly work: string;
  /** A read-only root without a writable layer; `upper` and `work` are not made. */
  readonly lean?: boolean | undefined;
  readonly hostname: string;
  readonly network: SandboxNetwork;
  readonly binds: readonly SandboxBind[];
  /** Gives the sandbox a user namespace. */
  readonly ids?: IdRange | undefined;
  readonly isolation?: Isolation | undefined;
  /** Directory of the hooks that renew random state after a restore. */
  readonly hooks?: string | undefined;
  /** Where the program will start, for a root in which it cannot be made then. */
  readonly cwd?: string;
  /** The lowers have /etc/hostname, hosts and resolv.conf already (a restore): they are left alone. */
  readonly keepEtc?: boolean;
  /** What its clocks say to begin with (a restore); they are the machine's without. */
  readonly clocks?: ClockReadings | undefined;
  /** The next process made in the sandbox gets the pid after this one. */
  readonly lastPid?: number;
}

/** What runs in it. */
export interface ProgramOptions {
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: ContainerUser;
  readonly tty: boolean;
  /** Undefined: unconfined. */
  readonly filter: SeccompFilter | undefined;
}

/** Bigger: killed earlier when the whole machine is out of memory; neighbours and daemon come later. */
const OOM_SCORE = 100;

/** Makes the sandbox and leaves its holder waiting in it. */
export function sandboxStage(options: SandboxOptions): Op[] {
  const { cgroups, id, limits } = options;
  const last: ChildOp[] = options.lastPid === undefined ? [] : [{ kind: "last_pid", pid: options.lastPid }];
  const part = sandboxPart(options);
  return [
    ...directories(options),
    ...(isOneOfAKind(options) ? plainPart(part) : pooledPart(part)),
    ...furnish(options),
    ...last,
    // As late as possible: from here on they go.
    ...clockFrom(options.clocks),
    { kind: "ready" },
    { kind: "hold" },
    ...cgroups.limit(id, limits),
  ];
}

/** What is the same for all sandboxes like this one, whatever is in them. */
export function sandboxPart(options: SandboxOptions): SharedPart {
  const { cgroups, id, ids, limits, isolation } = options;
  return {
    cgroups,
    id,
    limits,
    host: [...userNamespace(namespacesOf(options), ids), ...deviceLeafOps(cgroups, id, isolation)],
    spawn: spawn(Role.holder, Wait.ready, namespacesOfProcess(namespacesOf(options), ids)),
    inside: [{ kind: "die_with_parent" }, ...emptySandbox(options)],
  };
}

/** Whether nothing of it could be made ahead: ids, leaves with own rules, or opened trees are the container's own. */
export function isOneOfAKind({ ids, cgroups, id, limits, isolation }: SandboxOptions): boolean {
  if (cgroups.leaves(id, limits).length > cgroups.leaves(id).length) return true;
  return ids !== undefined || deviceLeafOps(cgroups, id, isolation).length > 0;
}

/** Starts a program in a sandbox of its own. */
export function startPlan(sandbox: SandboxOptions, program: ProgramOptions): Op[] {
  return [
    ...sandboxStage(sandbox),
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 1 },
    { kind: "cgroup_join" },
    ...hostRightsOps(sandbox.isolation),
    { kind: "join" },
    ...programOps(sandbox, program),
  ];
}

/** The same without an init: the program is pid 1 itself. It cannot be checkpointed, nor its sandbox made ahead. */
export function startPlanWithoutInit(sandbox: SandboxOptions, program: ProgramOptions): Op[] {
  const { cgroups, id, ids, limits, isolation } = sandbox;
  return [
    ...directories(sandbox),
    ...cgroups.make(id, limits),
    ...cgroups.limit(id, limits),
    ...userNamespace(namespacesOf(sandbox), ids),
    ...deviceLeafOps(cgroups, id, isolation),
    spawn(Role.main, Wait.exec, namespacesOfProcess(namespacesOf(sandbox), ids)),
    ...hostRightsOps(isolation),
    ...emptySandbox(sandbox),
    ...furnish(sandbox),
    ...programOps(sandbox, program, [{ kind: "die_with_parent" }]),
  ];
}

/** What is to be undone besides removing the cgroup leaves. */
export interface CleanupOptions {
  /** Shall not survive. */
  readonly directories?: readonly string[];
  readonly isolation?: Isolation | undefined;
  /** Those that the container had: its leaves may be kept for the next one. Without, they are removed. */
  readonly limits?: CgroupLimits;
}

/** Undoes what a plan made on the host. */
export function cleanupPlan(cgroups: Cgroups, id: string, options: CleanupOptions = {}): HostOp[] {
  const { directories = [], isolation, limits } = options;
  return [
    ...(limits === undefined ? cgroups.remove(id) : retireLeaves(cgroups, id, limits)),
    ...deviceLeafCleanup(cgroups, id, isolation),
    ...directories.map((path): HostOp => ({ kind: "remove_tree", path })),
  ];
}

/** A process in namespaces of its own. */
export function spawn(role: number, wait: number, namespaces: bigint): SpawnOp {
  return { kind: "spawn", role, wait, namespaces, join: 0 };
}

function namespacesOf({ network, isolation }: SandboxOptions): bigint {
  const shareable = (["pid", "ipc", "uts"] as const).filter((name) => !sharesNamespace(isolation, name));
  const own = shareable.reduce((flags, name) => flags | Namespace[name], 0n);
  return network === "host" ? own : own | Namespace.net;
}

function directories({ upper, work, lean }: SandboxOptions): HostOp[] {
  if (lean) return [];
  return [
    { kind: "make_dir", path: upper, mode: 0o755 },
    { kind: "make_dir", path: work, mode: 0o700 },
  ];
}

/** Namespaces with /proc, /sys and /dev on a tray: the same for all containers of a shape. */
function emptySandbox(options: SandboxOptions): ChildOp[] {
  const { cgroups, id, ids, isolation } = options;
  return [
    ...CGROUP_ENTRY,
    ...ownSpaces(ids),
    { kind: "empty_mounts" },
    { kind: "tray" },
    PROC,
    sysOp(isolation),
    cgroupView(cgroups, ownLeaves(cgroups, id, options)),
    ...devOps(ids),
    ...hookOps(options.hooks),
    ...deviceOps(isolation, ids).filter(isOnTray),
    ...hideOps(isolation).filter(isOnTray),
    ...(options.network === "host" ? [] : [{ kind: "loopback_up" } as const]),
    ...wiringOps(options.network, true),
  ];
}

/** Made ahead like the rest of /dev, for they are the same for all containers. */
export function hookOps(hooks: string | undefined): ChildOp[] {
  return hooks === undefined ? [] : [{ kind: "bind", source: hooks, target: HOOKS, readonly: 1, recursive: 0 }];
}

/** The container's own: its root, what is mounted in it, its names. */
function furnish(options: SandboxOptions): ChildOp[] {
  const { ids, isolation } = options;
  const isInRoot = (op: ChildOp) => !isOnTray(op);
  return [
    options.lean ? leanRoot(options.lowers) : writableRoot(options),
    // Before the binds: a file that the user binds over one of these must not be written to.
    ...(options.keepEtc || options.lean ? [] : etcFiles(options.hostname, options.network, isolation)),
    ...TRAY.map((path): ChildOp => ({ kind: "from_tray", path })),
    ...deviceOps(isolation, ids).filter(isInRoot),
    ...mountOps(options.binds, isolation, ids),
    ...keepOps(options.lowers, options.binds, isolation, ids),
    // After the binds, so that none of them can uncover anything.
    ...hideOps(isolation).filter(isInRoot),
    // Before the sysctls: those of an interface need the interface.
    ...wiringOps(options.network, false),
    ...namespaceOps(options.hostname, isolation),
    ...readonlyRootOps(options.cwd ?? "", isolation),
    { kind: "pivot" },
    ...enterUserNamespace(ids),
    { kind: "mark", phase: Phase.sandbox },
  ];
}

function writableRoot({ lowers, upper, work }: SandboxOptions): ChildOp {
  return { kind: "root_overlay", lowers, upper, work };
}

/** Before a user namespace is entered, in which the score's file belongs to nobody and limits cannot be raised. */
function hostRightsOps(isolation: Isolation = {}): ChildOp[] {
  return [{ kind: "oom_score", adj: isolation.oomScoreAdj ?? OOM_SCORE }, ...limitOps(isolation)];
}

/** `last` comes after the change of user, which would undo it. */
function programOps(sandbox: SandboxOptions, program: ProgramOptions, last: readonly ChildOp[] = []): ChildOp[] {
  const { isolation } = sandbox;
  const env = containerEnv({ env: program.env, home: program.user.home, hostname: sandbox.hostname, tty: program.tty });
  return [
    { kind: "session" },
    { kind: "stdio_at", stdin: 0, stdout: 1, stderr: 2 },
    { kind: "umask", mask: 0o022 },
    // As root, so that it can be made; that it lies inside the root is the launcher's check.
    { kind: "working_dir", path: program.cwd || "/", create: 1 },
    ...identityOps(program.user, isolation, program.filter),
    ...last,
    { kind: "mark", phase: Phase.exec },
    { kind: "exec", path: program.argv[0] ?? "", argv: program.argv, env },
  ];
}

/**
 * Capabilities before the user: dropping from the bounding set takes one. A user other than root holds none. The filter
 * comes into force at the very end, and what installing it takes depends on no_new_privs: the two are first.
 */
export function identityOps(user: ContainerUser, isolation: Isolation = {}, filter?: SeccompFilter): ChildOp[] {
  const bounding = capabilityBits(chosenCapabilities(isolation));
  return [
    ...(isolation.noNewPrivileges === false ? [] : [{ kind: "no_new_privs" } as const]),
    ...(filter ? [{ kind: "seccomp", ...filter } as const] : []),
    { kind: "capabilities", bounding, permitted: user.uid === 0 ? bounding : 0n, ambient: 0n },
    { kind: "user", uid: user.uid, gid: user.gid, groups: user.groups.map(String) },
  ];
}
