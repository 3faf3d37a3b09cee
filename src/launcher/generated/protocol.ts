// Generated from protocol/launcher.yaml by protocol/generate.ts. Do not edit.

import { type PhaseTime, Reader, WireError, Writer } from "../wire.ts";



export const PROTOCOL_VERSION = 1;

export const LIMITS = {
  FRAME_BYTES: 1048576,
  PLAN_OPS: 512,
  STR_BYTES: 131072,
  LIST_ITEMS: 4096,
  ID_BYTES: 64,
} as const;

export const Wait = {
  none: 0,
  ready: 1,
  exec: 2,
  success: 3,
} as const;
export type Wait = (typeof Wait)[keyof typeof Wait];
export const waitNames: Record<number, string> = {
  0: "none",
  1: "ready",
  2: "exec",
  3: "success",
};

export const Role = {
  holder: 0,
  main: 1,
  helper: 2,
} as const;
export type Role = (typeof Role)[keyof typeof Role];
export const roleNames: Record<number, string> = {
  0: "holder",
  1: "main",
  2: "helper",
};

export const Stdio = {
  none: 0,
  pipes: 1,
  pipesStdin: 2,
  tty: 3,
} as const;
export type Stdio = (typeof Stdio)[keyof typeof Stdio];
export const stdioNames: Record<number, string> = {
  0: "none",
  1: "pipes",
  2: "pipes_stdin",
  3: "tty",
};

export const ContainerState = {
  starting: 0,
  running: 1,
  stopping: 2,
  exited: 3,
  failed: 4,
  parked: 5,
} as const;
export type ContainerState = (typeof ContainerState)[keyof typeof ContainerState];
export const containerStateNames: Record<number, string> = {
  0: "starting",
  1: "running",
  2: "stopping",
  3: "exited",
  4: "failed",
  5: "parked",
};

export const ListenerState = {
  unrouted: 0,
  asleep: 1,
  waking: 2,
  awake: 3,
  stopping: 4,
} as const;
export type ListenerState = (typeof ListenerState)[keyof typeof ListenerState];
export const listenerStateNames: Record<number, string> = {
  0: "unrouted",
  1: "asleep",
  2: "waking",
  3: "awake",
  4: "stopping",
};

export const Phase = {
  sandbox: 0,
  exec: 1,
  restored: 2,
  connected: 3,
  firstByte: 4,
  engine: 5,
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];
export const phaseNames: Record<number, string> = {
  0: "sandbox",
  1: "exec",
  2: "restored",
  3: "connected",
  4: "first_byte",
  5: "engine",
};

export const NetPlace = {
  own: 0,
  launcher: 1,
  sandbox: 2,
} as const;
export type NetPlace = (typeof NetPlace)[keyof typeof NetPlace];
export const netPlaceNames: Record<number, string> = {
  0: "own",
  1: "launcher",
  2: "sandbox",
};

export const WakeResult = {
  restored: 0,
  fallback: 1,
  failed: 2,
  second: 3,
} as const;
export type WakeResult = (typeof WakeResult)[keyof typeof WakeResult];
export const wakeResultNames: Record<number, string> = {
  0: "restored",
  1: "fallback",
  2: "failed",
  3: "second",
};

export interface HelloMessage {
  readonly kind: "hello";
  readonly version: number;
}

export interface RunMessage {
  readonly kind: "run";
  readonly id: string;
  readonly sandbox: string;
  readonly stdio: number;
  readonly log: string;
  readonly plan: readonly Op[];
  readonly cleanup: readonly Op[];
}

export interface SignalMessage {
  readonly kind: "signal";
  readonly id: string;
  readonly signo: number;
}

export interface KillMessage {
  readonly kind: "kill";
  readonly id: string;
}

export interface ListMessage {
  readonly kind: "list";
}

export interface ForgetMessage {
  readonly kind: "forget";
  readonly id: string;
}

export interface AttachMessage {
  readonly kind: "attach";
  readonly id: string;
  readonly streams: number;
}

export interface ResizeMessage {
  readonly kind: "resize";
  readonly id: string;
  readonly rows: number;
  readonly cols: number;
}

export interface ListenMessage {
  readonly kind: "listen";
  readonly id: string;
  readonly address: string;
  readonly port: number;
  readonly path: string;
  readonly backlog: number;
}

export interface UnlistenMessage {
  readonly kind: "unlisten";
  readonly id: string;
}

export interface RouteMessage {
  readonly kind: "route";
  readonly id: string;
  readonly target: string;
  readonly port: number;
  readonly idleMs: number;
  readonly wakeMs: number;
  readonly readyMs: number;
  readonly stdio: number;
  readonly log: string;
  readonly ahead: number;
  readonly wake: readonly Op[];
  readonly second: readonly Op[];
  readonly fallback: readonly Op[];
  readonly cleanup: readonly Op[];
  readonly refusal: Uint8Array;
}

export interface UnrouteMessage {
  readonly kind: "unroute";
  readonly id: string;
}

export interface SleepMessage {
  readonly kind: "sleep";
  readonly id: string;
  readonly force: number;
}

export interface PrepareMessage {
  readonly kind: "prepare";
  readonly id: string;
  readonly plan: readonly Op[];
  readonly cleanup: readonly Op[];
}

export interface ShutdownMessage {
  readonly kind: "shutdown";
  readonly force: number;
}

export interface OkMessage {
  readonly kind: "ok";
  readonly value: bigint;
}

export interface ErrorMessage {
  readonly kind: "error";
  readonly errno: number;
  readonly message: string;
}

export interface ContainerMessage {
  readonly kind: "container";
  readonly id: string;
  readonly state: number;
  readonly pid: number;
  readonly waitStatus: number;
  readonly oomKills: number;
  readonly startedNs: bigint;
  readonly endedNs: bigint;
}

export interface ListenerMessage {
  readonly kind: "listener";
  readonly id: string;
  readonly target: string;
  readonly state: number;
  readonly wakes: bigint;
  readonly connections: number;
}

export interface StartedMessage {
  readonly kind: "started";
  readonly id: string;
  readonly pid: number;
  readonly atNs: bigint;
  readonly phases: readonly PhaseTime[];
}

export interface FailedMessage {
  readonly kind: "failed";
  readonly id: string;
  readonly op: number;
  readonly code: number;
  readonly errno: number;
  readonly exitStatus: number;
  readonly detail: string;
}

export interface ExitedMessage {
  readonly kind: "exited";
  readonly id: string;
  readonly waitStatus: number;
  readonly oomKills: number;
  readonly atNs: bigint;
}

export interface ListenerChangedMessage {
  readonly kind: "listener_changed";
  readonly id: string;
  readonly state: number;
}

export interface WokeMessage {
  readonly kind: "woke";
  readonly id: string;
  readonly result: number;
  readonly ahead: number;
  readonly waiting: number;
  readonly phases: readonly PhaseTime[];
  readonly detail: string;
}

export interface HeldMessage {
  readonly kind: "held";
  readonly id: string;
  readonly ok: number;
  readonly detail: string;
}

export interface ParkedMessage {
  readonly kind: "parked";
  readonly id: string;
  readonly shape: string;
}

export interface TakenMessage {
  readonly kind: "taken";
  readonly id: string;
  readonly by: string;
}

export interface CgroupMakeOp {
  readonly kind: "cgroup_make";
  readonly path: string;
}

export interface CgroupOpenOp {
  readonly kind: "cgroup_open";
  readonly path: string;
}

export interface CgroupSetOp {
  readonly kind: "cgroup_set";
  readonly path: string;
  readonly value: string;
}

export interface CgroupRemoveOp {
  readonly kind: "cgroup_remove";
  readonly path: string;
}

export interface MakeDirOp {
  readonly kind: "make_dir";
  readonly path: string;
  readonly mode: number;
}

export interface RemoveTreeOp {
  readonly kind: "remove_tree";
  readonly path: string;
}

export interface GatherOp {
  readonly kind: "gather";
  readonly checkpoint: string;
  readonly target: string;
}

export interface DeviceFilterOp {
  readonly kind: "device_filter";
  readonly path: string;
  readonly program: Uint8Array;
}

export interface OomWatchOp {
  readonly kind: "oom_watch";
  readonly path: string;
}

export interface SpawnOp {
  readonly kind: "spawn";
  readonly role: number;
  readonly wait: number;
  readonly namespaces: bigint;
  readonly join: number;
}

export interface AdoptOp {
  readonly kind: "adopt";
  readonly pidInside: number;
}

export interface UserMakeOp {
  readonly kind: "user_make";
  readonly first: number;
  readonly count: number;
  readonly namespaces: bigint;
}

export interface PooledOp {
  readonly kind: "pooled";
  readonly shape: string;
}

export interface CgroupSpareOp {
  readonly kind: "cgroup_spare";
  readonly path: string;
  readonly most: number;
}

export interface NetlinkOp {
  readonly kind: "netlink";
  readonly family: number;
  readonly ignore: number;
  readonly batch: Uint8Array;
}

export interface PortHoldOp {
  readonly kind: "port_hold";
  readonly protocol: number;
  readonly address: string;
  readonly port: number;
}

export interface NextPidOp {
  readonly kind: "next_pid";
  readonly pid: number;
}

export interface RestoreCloneOp {
  readonly kind: "restore_clone";
  readonly template: string;
  readonly hold: number;
  readonly failAt: number;
}

export interface MountsPrivateOp {
  readonly kind: "mounts_private";
}

export interface RootOverlayOp {
  readonly kind: "root_overlay";
  readonly lowers: readonly string[];
  readonly upper: string;
  readonly work: string;
}

export interface RootBindOp {
  readonly kind: "root_bind";
  readonly path: string;
  readonly readonly: number;
}

export interface BindOp {
  readonly kind: "bind";
  readonly source: string;
  readonly target: string;
  readonly readonly: number;
  readonly recursive: number;
}

export interface MountOp {
  readonly kind: "mount";
  readonly fstype: string;
  readonly target: string;
  readonly flags: bigint;
  readonly options: string;
}

export interface MakeNodeOp {
  readonly kind: "make_node";
  readonly path: string;
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
}

export interface MakeLinkOp {
  readonly kind: "make_link";
  readonly path: string;
  readonly text: string;
}

export interface MakeRootDirOp {
  readonly kind: "make_root_dir";
  readonly path: string;
  readonly mode: number;
}

export interface MaskOp {
  readonly kind: "mask";
  readonly path: string;
}

export interface MakeReadonlyOp {
  readonly kind: "make_readonly";
  readonly path: string;
}

export interface WriteFileOp {
  readonly kind: "write_file";
  readonly path: string;
  readonly data: Uint8Array;
  readonly mode: number;
}

export interface PivotOp {
  readonly kind: "pivot";
}

export interface HostnameOp {
  readonly kind: "hostname";
  readonly name: string;
}

export interface LoopbackUpOp {
  readonly kind: "loopback_up";
}

export interface CgroupJoinOp {
  readonly kind: "cgroup_join";
}

export interface JoinOp {
  readonly kind: "join";
}

export interface StdioAtOp {
  readonly kind: "stdio_at";
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
}

export interface OpenAtOp {
  readonly kind: "open_at";
  readonly path: string;
  readonly fd: number;
  readonly flags: number;
}

export interface OutputToOp {
  readonly kind: "output_to";
  readonly path: string;
}

export interface RlimitOp {
  readonly kind: "rlimit";
  readonly resource: number;
  readonly soft: bigint;
  readonly hard: bigint;
}

export interface OomScoreOp {
  readonly kind: "oom_score";
  readonly adj: number;
}

export interface UserOp {
  readonly kind: "user";
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly string[];
}

export interface CapabilitiesOp {
  readonly kind: "capabilities";
  readonly bounding: bigint;
  readonly permitted: bigint;
  readonly ambient: bigint;
}

export interface NoNewPrivsOp {
  readonly kind: "no_new_privs";
}

export interface SeccompOp {
  readonly kind: "seccomp";
  readonly flags: number;
  readonly filter: Uint8Array;
}

export interface WorkingDirOp {
  readonly kind: "working_dir";
  readonly path: string;
  readonly create: number;
}

export interface SessionOp {
  readonly kind: "session";
}

export interface MarkOp {
  readonly kind: "mark";
  readonly phase: number;
}

export interface ReadyOp {
  readonly kind: "ready";
}

export interface HoldOp {
  readonly kind: "hold";
}

export interface ExecOp {
  readonly kind: "exec";
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

export interface ExitOp {
  readonly kind: "exit";
  readonly status: number;
}

export interface LastPidOp {
  readonly kind: "last_pid";
  readonly pid: number;
}

export interface UmaskOp {
  readonly kind: "umask";
  readonly mask: number;
}

export interface DieWithParentOp {
  readonly kind: "die_with_parent";
}

export interface UnshareOp {
  readonly kind: "unshare";
  readonly namespaces: bigint;
}

export interface TimeOffsetsOp {
  readonly kind: "time_offsets";
  readonly monotonicS: number;
  readonly monotonicNs: number;
  readonly boottimeS: number;
  readonly boottimeNs: number;
}

export interface ClockFromOp {
  readonly kind: "clock_from";
  readonly monotonicNs: bigint;
  readonly boottimeNs: bigint;
}

export interface UserSpacesOp {
  readonly kind: "user_spaces";
}

export interface UserEnterOp {
  readonly kind: "user_enter";
}

export interface CgroupViewOp {
  readonly kind: "cgroup_view";
  readonly target: string;
  readonly names: readonly string[];
  readonly paths: readonly string[];
  readonly links: readonly string[];
}

export interface RootReadonlyOp {
  readonly kind: "root_readonly";
}

export interface AttachTreeOp {
  readonly kind: "attach_tree";
  readonly source: string;
  readonly target: string;
  readonly attributes: bigint;
  readonly propagation: bigint;
}

export interface TmpfsOp {
  readonly kind: "tmpfs";
  readonly target: string;
  readonly flags: bigint;
  readonly options: string;
}

export interface DeviceNodeOp {
  readonly kind: "device_node";
  readonly path: string;
  readonly mode: number;
  readonly major: number;
  readonly minor: number;
  readonly uid: number;
  readonly gid: number;
}

export interface DomainnameOp {
  readonly kind: "domainname";
  readonly name: string;
}

export interface SysctlOp {
  readonly kind: "sysctl";
  readonly path: string;
  readonly value: string;
}

export interface KeepFileOp {
  readonly kind: "keep_file";
  readonly source: string;
  readonly target: string;
}

export interface ParkOp {
  readonly kind: "park";
}

export interface TrayOp {
  readonly kind: "tray";
}

export interface FromTrayOp {
  readonly kind: "from_tray";
  readonly path: string;
}

export interface NetlinkInsideOp {
  readonly kind: "netlink_inside";
  readonly family: number;
  readonly place: number;
  readonly patch: number;
  readonly ignore: number;
  readonly batch: Uint8Array;
}

export interface EmptyMountsOp {
  readonly kind: "empty_mounts";
}

export interface MountAheadOp {
  readonly kind: "mount_ahead";
  readonly fstype: string;
  readonly target: string;
  readonly attributes: bigint;
}

export interface BoundingOp {
  readonly kind: "bounding";
  readonly keep: bigint;
}

export interface RestoreOpenOp {
  readonly kind: "restore_open";
  readonly tables: string;
  readonly packs: readonly string[];
}

export interface RestoreOp {
  readonly kind: "restore";
  readonly asTemplate: number;
  readonly failAt: number;
}

export interface GenerationOp {
  readonly kind: "generation";
  readonly target: string;
}

export interface RepairEndOp {
  readonly kind: "repair_end";
  readonly pids: readonly string[];
}

export interface LimitsLibraryOp {
  readonly kind: "limits_library";
  readonly fd: number;
}

export interface AwaitGoOp {
  readonly kind: "await_go";
  readonly fd: number;
}

export type Request =
  | HelloMessage
  | RunMessage
  | SignalMessage
  | KillMessage
  | ListMessage
  | ForgetMessage
  | AttachMessage
  | ResizeMessage
  | ListenMessage
  | UnlistenMessage
  | RouteMessage
  | UnrouteMessage
  | SleepMessage
  | PrepareMessage
  | ShutdownMessage;

export type Reply =
  | OkMessage
  | ErrorMessage
  | ContainerMessage
  | ListenerMessage;

export type LauncherEvent =
  | StartedMessage
  | FailedMessage
  | ExitedMessage
  | ListenerChangedMessage
  | WokeMessage
  | HeldMessage
  | ParkedMessage
  | TakenMessage;

export type Message = Request | Reply | LauncherEvent;

export type HostOp =
  | CgroupMakeOp
  | CgroupOpenOp
  | CgroupSetOp
  | CgroupRemoveOp
  | MakeDirOp
  | RemoveTreeOp
  | GatherOp
  | DeviceFilterOp
  | OomWatchOp
  | SpawnOp
  | AdoptOp
  | UserMakeOp
  | PooledOp
  | CgroupSpareOp
  | NetlinkOp
  | PortHoldOp
  | NextPidOp
  | RestoreCloneOp;

export type ChildOp =
  | MountsPrivateOp
  | RootOverlayOp
  | RootBindOp
  | BindOp
  | MountOp
  | MakeNodeOp
  | MakeLinkOp
  | MakeRootDirOp
  | MaskOp
  | MakeReadonlyOp
  | WriteFileOp
  | PivotOp
  | HostnameOp
  | LoopbackUpOp
  | CgroupJoinOp
  | JoinOp
  | StdioAtOp
  | OpenAtOp
  | OutputToOp
  | RlimitOp
  | OomScoreOp
  | UserOp
  | CapabilitiesOp
  | NoNewPrivsOp
  | SeccompOp
  | WorkingDirOp
  | SessionOp
  | MarkOp
  | ReadyOp
  | HoldOp
  | ExecOp
  | ExitOp
  | LastPidOp
  | UmaskOp
  | DieWithParentOp
  | UnshareOp
  | TimeOffsetsOp
  | ClockFromOp
  | UserSpacesOp
  | UserEnterOp
  | CgroupViewOp
  | RootReadonlyOp
  | AttachTreeOp
  | TmpfsOp
  | DeviceNodeOp
  | DomainnameOp
  | SysctlOp
  | KeepFileOp
  | ParkOp
  | TrayOp
  | FromTrayOp
  | NetlinkInsideOp
  | EmptyMountsOp
  | MountAheadOp
  | BoundingOp
  | RestoreOpenOp
  | RestoreOp
  | GenerationOp
  | RepairEndOp
  | LimitsLibraryOp
  | AwaitGoOp;

export type Op = HostOp | ChildOp;

const MESSAGE_CODES = {
  hello: 1,
  run: 2,
  signal: 3,
  kill: 4,
  list: 5,
  forget: 6,
  attach: 7,
  resize: 8,
  listen: 9,
  unlisten: 10,
  route: 11,
  unroute: 12,
  sleep: 13,
  prepare: 15,
  shutdown: 14,
  ok: 64,
  error: 65,
  container: 66,
  listener: 67,
  started: 96,
  failed: 97,
  exited: 98,
  listener_changed: 99,
  woke: 100,
  held: 103,
  parked: 101,
  taken: 102,
} as const;

const OP_CODES = {
  cgroup_make: 1,
  cgroup_open: 2,
  cgroup_set: 3,
  cgroup_remove: 4,
  make_dir: 5,
  remove_tree: 6,
  gather: 46,
  device_filter: 26,
  oom_watch: 25,
  spawn: 7,
  adopt: 8,
  user_make: 20,
  pooled: 35,
  cgroup_spare: 36,
  netlink: 16,
  port_hold: 17,
  next_pid: 51,
  restore_clone: 50,
  mounts_private: 64,
  root_overlay: 65,
  root_bind: 66,
  bind: 67,
  mount: 68,
  make_node: 69,
  make_link: 70,
  make_root_dir: 71,
  mask: 72,
  make_readonly: 73,
  write_file: 74,
  pivot: 75,
  hostname: 76,
  loopback_up: 77,
  cgroup_join: 78,
  join: 79,
  stdio_at: 80,
  open_at: 81,
  output_to: 82,
  rlimit: 83,
  oom_score: 84,
  user: 85,
  capabilities: 86,
  no_new_privs: 87,
  seccomp: 88,
  working_dir: 89,
  session: 90,
  mark: 91,
  ready: 92,
  hold: 93,
  exec: 94,
  exit: 95,
  last_pid: 96,
  umask: 97,
  die_with_parent: 98,
  unshare: 105,
  time_offsets: 106,
  clock_from: 126,
  user_spaces: 107,
  user_enter: 108,
  cgroup_view: 109,
  root_readonly: 110,
  attach_tree: 112,
  tmpfs: 113,
  device_node: 114,
  domainname: 115,
  sysctl: 116,
  keep_file: 117,
  park: 120,
  tray: 121,
  from_tray: 122,
  netlink_inside: 100,
  empty_mounts: 123,
  mount_ahead: 124,
  bounding: 125,
  restore_open: 150,
  restore: 151,
  generation: 140,
  repair_end: 130,
  limits_library: 132,
  await_go: 131,
} as const;

export const opNames: Record<number, string> = {
  1: "cgroup_make",
  2: "cgroup_open",
  3: "cgroup_set",
  4: "cgroup_remove",
  5: "make_dir",
  6: "remove_tree",
  46: "gather",
  26: "device_filter",
  25: "oom_watch",
  7: "spawn",
  8: "adopt",
  20: "user_make",
  35: "pooled",
  36: "cgroup_spare",
  16: "netlink",
  17: "port_hold",
  51: "next_pid",
  50: "restore_clone",
  64: "mounts_private",
  65: "root_overlay",
  66: "root_bind",
  67: "bind",
  68: "mount",
  69: "make_node",
  70: "make_link",
  71: "make_root_dir",
  72: "mask",
  73: "make_readonly",
  74: "write_file",
  75: "pivot",
  76: "hostname",
  77: "loopback_up",
  78: "cgroup_join",
  79: "join",
  80: "stdio_at",
  81: "open_at",
  82: "output_to",
  83: "rlimit",
  84: "oom_score",
  85: "user",
  86: "capabilities",
  87: "no_new_privs",
  88: "seccomp",
  89: "working_dir",
  90: "session",
  91: "mark",
  92: "ready",
  93: "hold",
  94: "exec",
  95: "exit",
  96: "last_pid",
  97: "umask",
  98: "die_with_parent",
  105: "unshare",
  106: "time_offsets",
  126: "clock_from",
  107: "user_spaces",
  108: "user_enter",
  109: "cgroup_view",
  110: "root_readonly",
  112: "attach_tree",
  113: "tmpfs",
  114: "device_node",
  115: "domainname",
  116: "sysctl",
  117: "keep_file",
  120: "park",
  121: "tray",
  122: "from_tray",
  100: "netlink_inside",
  123: "empty_mounts",
  124: "mount_ahead",
  125: "bounding",
  150: "restore_open",
  151: "restore",
  140: "generation",
  130: "repair_end",
  132: "limits_library",
  131: "await_go",
};

function encodeMessageFields(w: Writer, value: Message): void {
  switch (value.kind) {
    case "hello":
      w.u32(value.version);
      return;
    case "run":
      w.str(value.id);
      w.str(value.sandbox);
      w.u8(value.stdio);
      w.str(value.log);
      w.bytes(encodePlan(value.plan));
      w.bytes(encodePlan(value.cleanup));
      return;
    case "signal":
      w.str(value.id);
      w.u32(value.signo);
      return;
    case "kill":
      w.str(value.id);
      return;
    case "list":
      return;
    case "forget":
      w.str(value.id);
      return;
    case "attach":
      w.str(value.id);
      w.u8(value.streams);
      return;
    case "resize":
      w.str(value.id);
      w.u16(value.rows);
      w.u16(value.cols);
      return;
    case "listen":
      w.str(value.id);
      w.str(value.address);
      w.u16(value.port);
      w.str(value.path);
      w.u32(value.backlog);
      return;
    case "unlisten":
      w.str(value.id);
      return;
    case "route":
      w.str(value.id);
      w.str(value.target);
      w.u16(value.port);
      w.u32(value.idleMs);
      w.u32(value.wakeMs);
      w.u32(value.readyMs);
      w.u8(value.stdio);
      w.str(value.log);
      w.u8(value.ahead);
      w.bytes(encodePlan(value.wake));
      w.bytes(encodePlan(value.second));
      w.bytes(encodePlan(value.fallback));
      w.bytes(encodePlan(value.cleanup));
      w.bytes(value.refusal);
      return;
    case "unroute":
      w.str(value.id);
      return;
    case "sleep":
      w.str(value.id);
      w.u8(value.force);
      return;
    case "prepare":
      w.str(value.id);
      w.bytes(encodePlan(value.plan));
      w.bytes(encodePlan(value.cleanup));
      return;
    case "shutdown":
      w.u8(value.force);
      return;
    case "ok":
      w.u64(value.value);
      return;
    case "error":
      w.i32(value.errno);
      w.str(value.message);
      return;
    case "container":
      w.str(value.id);
      w.u8(value.state);
      w.i32(value.pid);
      w.i32(value.waitStatus);
      w.u32(value.oomKills);
      w.u64(value.startedNs);
      w.u64(value.endedNs);
      return;
    case "listener":
      w.str(value.id);
      w.str(value.target);
      w.u8(value.state);
      w.u64(value.wakes);
      w.u32(value.connections);
      return;
    case "started":
      w.str(value.id);
      w.i32(value.pid);
      w.u64(value.atNs);
      w.phases(value.phases);
      return;
    case "failed":
      w.str(value.id);
      w.u32(value.op);
      w.u16(value.code);
      w.i32(value.errno);
      w.i32(value.exitStatus);
      w.str(value.detail);
      return;
    case "exited":
      w.str(value.id);
      w.i32(value.waitStatus);
      w.u32(value.oomKills);
      w.u64(value.atNs);
      return;
    case "listener_changed":
      w.str(value.id);
      w.u8(value.state);
      return;
    case "woke":
      w.str(value.id);
      w.u8(value.result);
      w.u8(value.ahead);
      w.u32(value.waiting);
      w.phases(value.phases);
      w.str(value.detail);
      return;
    case "held":
      w.str(value.id);
      w.u8(value.ok);
      w.str(value.detail);
      return;
    case "parked":
      w.str(value.id);
      w.str(value.shape);
      return;
    case "taken":
      w.str(value.id);
      w.str(value.by);
      return;
  }
}

function decodeMessageFields(code: number, r: Reader): Message {
  switch (code) {
    case 1:
      return { kind: "hello", version: r.u32() };
    case 2:
      return { kind: "run", id: r.str(), sandbox: r.str(), stdio: r.u8(), log: r.str(), plan: decodePlan(r.bytes()), cleanup: decodePlan(r.bytes()) };
    case 3:
      return { kind: "signal", id: r.str(), signo: r.u32() };
    case 4:
      return { kind: "kill", id: r.str() };
    case 5:
      return { kind: "list" };
    case 6:
      return { kind: "forget", id: r.str() };
    case 7:
      return { kind: "attach", id: r.str(), streams: r.u8() };
    case 8:
      return { kind: "resize", id: r.str(), rows: r.u16(), cols: r.u16() };
    case 9:
      return { kind: "listen", id: r.str(), address: r.str(), port: r.u16(), path: r.str(), backlog: r.u32() };
    case 10:
      return { kind: "unlisten", id: r.str() };
    case 11:
      return { kind: "route", id: r.str(), target: r.str(), port: r.u16(), idleMs: r.u32(), wakeMs: r.u32(), readyMs: r.u32(), stdio: r.u8(), log: r.str(), ahead: r.u8(), wake: decodePlan(r.bytes()), second: decodePlan(r.bytes()), fallback: decodePlan(r.bytes()), cleanup: decodePlan(r.bytes()), refusal: r.bytes() };
    case 12:
      return { kind: "unroute", id: r.str() };
    case 13:
      return { kind: "sleep", id: r.str(), force: r.u8() };
    case 15:
      return { kind: "prepare", id: r.str(), plan: decodePlan(r.bytes()), cleanup: decodePlan(r.bytes()) };
    case 14:
      return { kind: "shutdown", force: r.u8() };
    case 64:
      return { kind: "ok", value: r.u64() };
    case 65:
      return { kind: "error", errno: r.i32(), message: r.str() };
    case 66:
      return { kind: "container", id: r.str(), state: r.u8(), pid: r.i32(), waitStatus: r.i32(), oomKills: r.u32(), startedNs: r.u64(), endedNs: r.u64() };
    case 67:
      return { kind: "listener", id: r.str(), target: r.str(), state: r.u8(), wakes: r.u64(), connections: r.u32() };
    case 96:
      return { kind: "started", id: r.str(), pid: r.i32(), atNs: r.u64(), phases: r.phases() };
    case 97:
      return { kind: "failed", id: r.str(), op: r.u32(), code: r.u16(), errno: r.i32(), exitStatus: r.i32(), detail: r.str() };
    case 98:
      return { kind: "exited", id: r.str(), waitStatus: r.i32(), oomKills: r.u32(), atNs: r.u64() };
    case 99:
      return { kind: "listener_changed", id: r.str(), state: r.u8() };
    case 100:
      return { kind: "woke", id: r.str(), result: r.u8(), ahead: r.u8(), waiting: r.u32(), phases: r.phases(), detail: r.str() };
    case 103:
      return { kind: "held", id: r.str(), ok: r.u8(), detail: r.str() };
    case 101:
      return { kind: "parked", id: r.str(), shape: r.str() };
    case 102:
      return { kind: "taken", id: r.str(), by: r.str() };
    default:
      throw new WireError(`unknown Message code ${code}`);
  }
}

function encodeOpFields(w: Writer, value: Op): void {
  switch (value.kind) {
    case "cgroup_make":
      w.str(value.path);
      return;
    case "cgroup_open":
      w.str(value.path);
      return;
    case "cgroup_set":
      w.str(value.path);
      w.str(value.value);
      return;
    case "cgroup_remove":
      w.str(value.path);
      return;
    case "make_dir":
      w.str(value.path);
      w.u32(value.mode);
      return;
    case "remove_tree":
      w.str(value.path);
      return;
    case "gather":
      w.str(value.checkpoint);
      w.str(value.target);
      return;
    case "device_filter":
      w.str(value.path);
      w.bytes(value.program);
      return;
    case "oom_watch":
      w.str(value.path);
      return;
    case "spawn":
      w.u8(value.role);
      w.u8(value.wait);
      w.u64(value.namespaces);
      w.u8(value.join);
      return;
    case "adopt":
      w.u32(value.pidInside);
      return;
    case "user_make":
      w.u32(value.first);
      w.u32(value.count);
      w.u64(value.namespaces);
      return;
    case "pooled":
      w.str(value.shape);
      return;
    case "cgroup_spare":
      w.str(value.path);
      w.u32(value.most);
      return;
    case "netlink":
      w.u32(value.family);
      w.u32(value.ignore);
      w.bytes(value.batch);
      return;
    case "port_hold":
      w.u8(value.protocol);
      w.str(value.address);
      w.u16(value.port);
      return;
    case "next_pid":
      w.u32(value.pid);
      return;
    case "restore_clone":
      w.str(value.template);
      w.u8(value.hold);
      w.u32(value.failAt);
      return;
    case "mounts_private":
      return;
    case "root_overlay":
      w.strs(value.lowers);
      w.str(value.upper);
      w.str(value.work);
      return;
    case "root_bind":
      w.str(value.path);
      w.u8(value.readonly);
      return;
    case "bind":
      w.str(value.source);
      w.str(value.target);
      w.u8(value.readonly);
      w.u8(value.recursive);
      return;
    case "mount":
      w.str(value.fstype);
      w.str(value.target);
      w.u64(value.flags);
      w.str(value.options);
      return;
    case "make_node":
      w.str(value.path);
      w.u32(value.mode);
      w.u32(value.major);
      w.u32(value.minor);
      return;
    case "make_link":
      w.str(value.path);
      w.str(value.text);
      return;
    case "make_root_dir":
      w.str(value.path);
      w.u32(value.mode);
      return;
    case "mask":
      w.str(value.path);
      return;
    case "make_readonly":
      w.str(value.path);
      return;
    case "write_file":
      w.str(value.path);
      w.bytes(value.data);
      w.u32(value.mode);
      return;
    case "pivot":
      return;
    case "hostname":
      w.str(value.name);
      return;
    case "loopback_up":
      return;
    case "cgroup_join":
      return;
    case "join":
      return;
    case "stdio_at":
      w.u32(value.stdin);
      w.u32(value.stdout);
      w.u32(value.stderr);
      return;
    case "open_at":
      w.str(value.path);
      w.u32(value.fd);
      w.u32(value.flags);
      return;
    case "output_to":
      w.str(value.path);
      return;
    case "rlimit":
      w.u32(value.resource);
      w.u64(value.soft);
      w.u64(value.hard);
      return;
    case "oom_score":
      w.i32(value.adj);
      return;
    case "user":
      w.u32(value.uid);
      w.u32(value.gid);
      w.strs(value.groups);
      return;
    case "capabilities":
      w.u64(value.bounding);
      w.u64(value.permitted);
      w.u64(value.ambient);
      return;
    case "no_new_privs":
      return;
    case "seccomp":
      w.u32(value.flags);
      w.bytes(value.filter);
      return;
    case "working_dir":
      w.str(value.path);
      w.u8(value.create);
      return;
    case "session":
      return;
    case "mark":
      w.u8(value.phase);
      return;
    case "ready":
      return;
    case "hold":
      return;
    case "exec":
      w.str(value.path);
      w.strs(value.argv);
      w.strs(value.env);
      return;
    case "exit":
      w.u8(value.status);
      return;
    case "last_pid":
      w.u32(value.pid);
      return;
    case "umask":
      w.u32(value.mask);
      return;
    case "die_with_parent":
      return;
    case "unshare":
      w.u64(value.namespaces);
      return;
    case "time_offsets":
      w.i32(value.monotonicS);
      w.u32(value.monotonicNs);
      w.i32(value.boottimeS);
      w.u32(value.boottimeNs);
      return;
    case "clock_from":
      w.u64(value.monotonicNs);
      w.u64(value.boottimeNs);
      return;
    case "user_spaces":
      return;
    case "user_enter":
      return;
    case "cgroup_view":
      w.str(value.target);
      w.strs(value.names);
      w.strs(value.paths);
      w.strs(value.links);
      return;
    case "root_readonly":
      return;
    case "attach_tree":
      w.str(value.source);
      w.str(value.target);
      w.u64(value.attributes);
      w.u64(value.propagation);
      return;
    case "tmpfs":
      w.str(value.target);
      w.u64(value.flags);
      w.str(value.options);
      return;
    case "device_node":
      w.str(value.path);
      w.u32(value.mode);
      w.u32(value.major);
      w.u32(value.minor);
      w.u32(value.uid);
      w.u32(value.gid);
      return;
    case "domainname":
      w.str(value.name);
      return;
    case "sysctl":
      w.str(value.path);
      w.str(value.value);
      return;
    case "keep_file":
      w.str(value.source);
      w.str(value.target);
      return;
    case "park":
      return;
    case "tray":
      return;
    case "from_tray":
      w.str(value.path);
      return;
    case "netlink_inside":
      w.u32(value.family);
      w.u8(value.place);
      w.u32(value.patch);
      w.u32(value.ignore);
      w.bytes(value.batch);
      return;
    case "empty_mounts":
      return;
    case "mount_ahead":
      w.str(value.fstype);
      w.str(value.target);
      w.u64(value.attributes);
      return;
    case "bounding":
      w.u64(value.keep);
      return;
    case "restore_open":
      w.str(value.tables);
      w.strs(value.packs);
      return;
    case "restore":
      w.u8(value.asTemplate);
      w.u32(value.failAt);
      return;
    case "generation":
      w.str(value.target);
      return;
    case "repair_end":
      w.strs(value.pids);
      return;
    case "limits_library":
      w.u32(value.fd);
      return;
    case "await_go":
      w.u32(value.fd);
      return;
  }
}

function decodeOpFields(code: number, r: Reader): Op {
  switch (code) {
    case 1:
      return { kind: "cgroup_make", path: r.str() };
    case 2:
      return { kind: "cgroup_open", path: r.str() };
    case 3:
      return { kind: "cgroup_set", path: r.str(), value: r.str() };
    case 4:
      return { kind: "cgroup_remove", path: r.str() };
    case 5:
      return { kind: "make_dir", path: r.str(), mode: r.u32() };
    case 6:
      return { kind: "remove_tree", path: r.str() };
    case 46:
      return { kind: "gather", checkpoint: r.str(), target: r.str() };
    case 26:
      return { kind: "device_filter", path: r.str(), program: r.bytes() };
    case 25:
      return { kind: "oom_watch", path: r.str() };
    case 7:
      return { kind: "spawn", role: r.u8(), wait: r.u8(), namespaces: r.u64(), join: r.u8() };
    case 8:
      return { kind: "adopt", pidInside: r.u32() };
    case 20:
      return { kind: "user_make", first: r.u32(), count: r.u32(), namespaces: r.u64() };
    case 35:
      return { kind: "pooled", shape: r.str() };
    case 36:
      return { kind: "cgroup_spare", path: r.str(), most: r.u32() };
    case 16:
      return { kind: "netlink", family: r.u32(), ignore: r.u32(), batch: r.bytes() };
    case 17:
      return { kind: "port_hold", protocol: r.u8(), address: r.str(), port: r.u16() };
    case 51:
      return { kind: "next_pid", pid: r.u32() };
    case 50:
      return { kind: "restore_clone", template: r.str(), hold: r.u8(), failAt: r.u32() };
    case 64:
      return { kind: "mounts_private" };
    case 65:
      return { kind: "root_overlay", lowers: r.strs(), upper: r.str(), work: r.str() };
    case 66:
      return { kind: "root_bind", path: r.str(), readonly: r.u8() };
    case 67:
      return { kind: "bind", source: r.str(), target: r.str(), readonly: r.u8(), recursive: r.u8() };
    case 68:
      return { kind: "mount", fstype: r.str(), target: r.str(), flags: r.u64(), options: r.str() };
    case 69:
      return { kind: "make_node", path: r.str(), mode: r.u32(), major: r.u32(), minor: r.u32() };
    case 70:
      return { kind: "make_link", path: r.str(), text: r.str() };
    case 71:
      return { kind: "make_root_dir", path: r.str(), mode: r.u32() };
    case 72:
      return { kind: "mask", path: r.str() };
    case 73:
      return { kind: "make_readonly", path: r.str() };
    case 74:
      return { kind: "write_file", path: r.str(), data: r.bytes(), mode: r.u32() };
    case 75:
      return { kind: "pivot" };
    case 76:
      return { kind: "hostname", name: r.str() };
    case 77:
      return { kind: "loopback_up" };
    case 78:
      return { kind: "cgroup_join" };
    case 79:
      return { kind: "join" };
    case 80:
      return { kind: "stdio_at", stdin: r.u32(), stdout: r.u32(), stderr: r.u32() };
    case 81:
      return { kind: "open_at", path: r.str(), fd: r.u32(), flags: r.u32() };
    case 82:
      return { kind: "output_to", path: r.str() };
    case 83:
      return { kind: "rlimit", resource: r.u32(), soft: r.u64(), hard: r.u64() };
    case 84:
      return { kind: "oom_score", adj: r.i32() };
    case 85:
      return { kind: "user", uid: r.u32(), gid: r.u32(), groups: r.strs() };
    case 86:
      return { kind: "capabilities", bounding: r.u64(), permitted: r.u64(), ambient: r.u64() };
    case 87:
      return { kind: "no_new_privs" };
    case 88:
      return { kind: "seccomp", flags: r.u32(), filter: r.bytes() };
    case 89:
      return { kind: "working_dir", path: r.str(), create: r.u8() };
    case 90:
      return { kind: "session" };
    case 91:
      return { kind: "mark", phase: r.u8() };
    case 92:
      return { kind: "ready" };
    case 93:
      return { kind: "hold" };
    case 94:
      return { kind: "exec", path: r.str(), argv: r.strs(), env: r.strs() };
    case 95:
      return { kind: "exit", status: r.u8() };
    case 96:
      return { kind: "last_pid", pid: r.u32() };
    case 97:
      return { kind: "umask", mask: r.u32() };
    case 98:
      return { kind: "die_with_parent" };
    case 105:
      return { kind: "unshare", namespaces: r.u64() };
    case 106:
      return { kind: "time_offsets", monotonicS: r.i32(), monotonicNs: r.u32(), boottimeS: r.i32(), boottimeNs: r.u32() };
    case 126:
      return { kind: "clock_from", monotonicNs: r.u64(), boottimeNs: r.u64() };
    case 107:
      return { kind: "user_spaces" };
    case 108:
      return { kind: "user_enter" };
    case 109:
      return { kind: "cgroup_view", target: r.str(), names: r.strs(), paths: r.strs(), links: r.strs() };
    case 110:
      return { kind: "root_readonly" };
    case 112:
      return { kind: "attach_tree", source: r.str(), target: r.str(), attributes: r.u64(), propagation: r.u64() };
    case 113:
      return { kind: "tmpfs", target: r.str(), flags: r.u64(), options: r.str() };
    case 114:
      return { kind: "device_node", path: r.str(), mode: r.u32(), major: r.u32(), minor: r.u32(), uid: r.u32(), gid: r.u32() };
    case 115:
      return { kind: "domainname", name: r.str() };
    case 116:
      return { kind: "sysctl", path: r.str(), value: r.str() };
    case 117:
      return { kind: "keep_file", source: r.str(), target: r.str() };
    case 120:
      return { kind: "park" };
    case 121:
      return { kind: "tray" };
    case 122:
      return { kind: "from_tray", path: r.str() };
    case 100:
      return { kind: "netlink_inside", family: r.u32(), place: r.u8(), patch: r.u32(), ignore: r.u32(), batch: r.bytes() };
    case 123:
      return { kind: "empty_mounts" };
    case 124:
      return { kind: "mount_ahead", fstype: r.str(), target: r.str(), attributes: r.u64() };
    case 125:
      return { kind: "bounding", keep: r.u64() };
    case 150:
      return { kind: "restore_open", tables: r.str(), packs: r.strs() };
    case 151:
      return { kind: "restore", asTemplate: r.u8(), failAt: r.u32() };
    case 140:
      return { kind: "generation", target: r.str() };
    case 130:
      return { kind: "repair_end", pids: r.strs() };
    case 132:
      return { kind: "limits_library", fd: r.u32() };
    case 131:
      return { kind: "await_go", fd: r.u32() };
    default:
      throw new WireError(`unknown Op code ${code}`);
  }
}

/** Encodes a plan's operations. */
export function encodePlan(ops: readonly Op[]): Uint8Array {
  const w = new Writer();
  for (const op of ops) {
    w.u16(OP_CODES[op.kind]);
    w.u16(0);
    w.sized(() => encodeOpFields(w, op));
  }
  return w.finish();
}

/** Decodes a plan. @throws WireError when it is malformed. */
export function decodePlan(bytes: Uint8Array): Op[] {
  const r = new Reader(bytes);
  const ops: Op[] = [];
  while (!r.done) {
    const code = r.u16();
    if (r.u16() !== 0) throw new WireError("reserved field is not zero");
    const fields = new Reader(r.bytes());
    ops.push(decodeOpFields(code, fields));
    fields.end();
  }
  return ops;
}

/** Encodes one frame. `tag` 0 is for events. */
export function encodeFrame(tag: bigint, message: Message): Uint8Array {
  const w = new Writer();
  w.sized(() => {
    w.u16(MESSAGE_CODES[message.kind]);
    w.u16(0);
    w.u64(tag);
    encodeMessageFields(w, message);
  });
  return w.finish();
}

/** Decodes what follows a frame's length. @throws WireError when it is malformed. */
export function decodeFrame(body: Uint8Array): { tag: bigint; message: Message } {
  const r = new Reader(body);
  const code = r.u16();
  if (r.u16() !== 0) throw new WireError("reserved field is not zero");
  const tag = r.u64();
  const message = decodeMessageFields(code, r);
  r.end();
  return { tag, message };
}
