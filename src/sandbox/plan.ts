/**
 * Containers as plans for the launcher. The sandbox is set up by its `holder`, pid 1 of the new namespaces: cgroups,
 * root, /dev, /proc and /sys, what is hidden of them, and then it only reaps. The program is a second process, made
 * inside those namespaces by the launcher itself, which therefore learns its exact end. A restore uses the same
 * sandbox stage and puts its engine in the program's place. Each function below is one aspect; order matters where a
 * comment says so.
 */
import { type ChildOp, type HostOp, type Op, Phase, Role, type SpawnOp, Wait } from "../launcher/generated/protocol.ts";
import { capabilityBits, chosenCapabilities } from "./capabilities.ts";
import type { CgroupLimits, Cgroups } from "./cgroups.ts";
import { containerEnv, etcFiles } from "./environment.ts";
import type { Isolation } from "./isolation.ts";
import {
  deviceLeafCleanup,
  deviceLeafOps,
  deviceOps,
  hideOps,
  holdOps,
  limitOps,
  mountOps,
  namespaceOps,
  ownLeaves,
  readonlyRootOps,
  type SandboxBind,
  sharesNamespace,
  sysOp,
} from "./isolation-plan.ts";
import { CGROUP_ENTRY, cgroupView, Namespace } from "./namespaces.ts";
import { DEV, DEVICE_LINKS, DEVICES, devMounts, PROC } from "./tables.ts";
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
  readonly hostname: string;
  readonly network: "none" | "host";
  readonly binds: readonly SandboxBind[];
  /** Gives the sandbox a user namespace. */
  readonly ids?: IdRange | undefined;
  readonly isolation?: Isolation | undefined;
  /** Where the program will start, for a root in which it cannot be made then. */
  readonly cwd?: string;
  /** The lowers have /etc/hostname, hosts and resolv.conf already (a restore): they are left alone. */
  readonly keepEtc?: boolean;
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
}

/** Bigger: killed earlier when the whole machine is out of memory; neighbours and daemon come later. */
const OOM_SCORE = 100;
const FILE_MODE = 0o020666;

/** Makes the sandbox and leaves its holder waiting in it. */
export function sandboxStage(options: SandboxOptions): Op[] {
  const last: ChildOp[] = options.lastPid === undefined ? [] : [{ kind: "last_pid", pid: options.lastPid }];
  return [
    ...hostStage(options),
    spawn(Role.holder, Wait.ready, namespacesOfProcess(namespacesOf(options), options.ids)),
    { kind: "die_with_parent" },
    ...insideStage(options),
    ...last,
    { kind: "ready" },
    { kind: "hold" },
  ];
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

/** The same without an init: the program is pid 1 itself. It cannot be checkpointed. */
export function startPlanWithoutInit(sandbox: SandboxOptions, program: ProgramOptions): Op[] {
  return [
    ...hostStage(sandbox),
    spawn(Role.main, Wait.exec, namespacesOfProcess(namespacesOf(sandbox), sandbox.ids)),
    ...hostRightsOps(sandbox.isolation),
    ...insideStage(sandbox),
    ...programOps(sandbox, program, [{ kind: "die_with_parent" }]),
  ];
}

/** Undoes what a plan made on the host: the cgroup leaves, and directories that shall not survive. */
export function cleanupPlan(
  cgroups: Cgroups,
  id: string,
  directories: readonly string[] = [],
  isolation?: Isolation,
): HostOp[] {
  return [
    ...cgroups.remove(id),
    ...deviceLeafCleanup(cgroups, id, isolation),
    ...directories.map((path): HostOp => ({ kind: "remove_tree", path })),
  ];
}

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
}

const LEAN = Namespace.mount | Namespace.pid | Namespace.ipc | Namespace.uts;

/**
 * A container with namespaces, cgroup leaves, a root with /proc and the default capabilities, and no more: no init, no
 * network namespace, no /dev.
 */
export function leanPlan(options: LeanOptions): Op[] {
  const { argv, env = [], ids } = options;
  const path = argv?.[0];
  const end: ChildOp = argv && path !== undefined ? { kind: "exec", path, argv, env } : { kind: "exit", status: 0 };
  return [
    ...options.cgroups.leaves(options.id).map((leaf): HostOp => ({ kind: "cgroup_make", path: leaf })),
    ...userNamespace(LEAN, ids),
    spawn(Role.main, end.kind === "exec" ? Wait.exec : Wait.none, namespacesOfProcess(LEAN, ids)),
    { kind: "die_with_parent" },
    ...CGROUP_ENTRY,
    ...ownSpaces(ids),
    { kind: "mounts_private" },
    { kind: "root_bind", path: options.root, readonly: 1 },
    PROC,
    { kind: "pivot" },
    ...enterUserNamespace(ids),
    ...identityOps({ uid: 0, gid: 0, groups: [], home: "/" }),
    end,
  ];
}

function spawn(role: number, wait: number, namespaces: bigint): SpawnOp {
  return { kind: "spawn", role, wait, namespaces, join: 0 };
}

function namespacesOf({ network, isolation }: SandboxOptions): bigint {
  const shareable = (["pid", "ipc", "uts"] as const).filter((name) => !sharesNamespace(isolation, name));
  const own = shareable.reduce((flags, name) => flags | Namespace[name], Namespace.mount as bigint);
  return network === "none" ? own | Namespace.net : own;
}

function hostStage(options: SandboxOptions): HostOp[] {
  return [
    { kind: "make_dir", path: options.upper, mode: 0o755 },
    { kind: "make_dir", path: options.work, mode: 0o700 },
    ...options.cgroups.make(options.id, options.limits),
    ...userNamespace(namespacesOf(options), options.ids),
    ...deviceLeafOps(options.cgroups, options.id, options.isolation),
  ];
}

/** All that happens inside the new namespaces before anything of the container runs. */
function insideStage(options: SandboxOptions): ChildOp[] {
  return [
    ...CGROUP_ENTRY,
    ...holdOps(options.binds),
    ...ownSpaces(options.ids),
    { kind: "mounts_private" },
    { kind: "root_overlay", lowers: options.lowers, upper: options.upper, work: options.work },
    // Before the binds: a file that the user binds over one of these must not be written to.
    ...(options.keepEtc ? [] : etcFiles(options.hostname, options.network, options.isolation)),
    PROC,
    sysOp(options.isolation),
    cgroupView(options.cgroups, options.id, ownLeaves(options.cgroups, options.id, options.isolation)),
    ...devOps(options.ids),
    ...deviceOps(options.isolation, options.ids),
    ...mountOps(options.binds, options.isolation, options.ids),
    // After proc and sys, and after the binds, so that none of them can uncover anything.
    ...hideOps(options.isolation),
    ...(options.network === "none" ? [{ kind: "loopback_up" } as const] : []),
    ...namespaceOps(options.hostname, options.isolation),
    ...readonlyRootOps(options.cwd ?? "", options.isolation),
    { kind: "pivot" },
    ...enterUserNamespace(options.ids),
    { kind: "mark", phase: Phase.sandbox },
  ];
}

function devOps(ids: IdRange | undefined): ChildOp[] {
  return [
    DEV,
    ...DEVICES.map(({ name, major, minor }): ChildOp => {
      return { kind: "make_node", path: `/dev/${name}`, mode: FILE_MODE, major, minor };
    }),
    ...devMounts(ids),
    ...Object.entries(DEVICE_LINKS).map(([name, text]): ChildOp => ({ kind: "make_link", path: `/dev/${name}`, text })),
  ];
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
    ...identityOps(program.user, isolation),
    ...last,
    { kind: "mark", phase: Phase.exec },
    { kind: "exec", path: program.argv[0] ?? "", argv: program.argv, env },
  ];
}

/** Capabilities before the user: dropping from the bounding set takes one. A user other than root holds none. */
function identityOps(user: ContainerUser, isolation: Isolation = {}): ChildOp[] {
  const bounding = capabilityBits(chosenCapabilities(isolation));
  return [
    { kind: "capabilities", bounding, permitted: user.uid === 0 ? bounding : 0n, ambient: 0n },
    { kind: "user", uid: user.uid, gid: user.gid, groups: user.groups.map(String) },
    ...(isolation.noNewPrivileges === false ? [] : [{ kind: "no_new_privs" } as const]),
  ];
}
