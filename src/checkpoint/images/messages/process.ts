/** What CRIU's images say about a process and its threads: pstree, core, ids, creds. Field numbers of CRIU 4.2. */
import {
  bool,
  bytes,
  int32,
  message,
  type Of,
  optional,
  repeated,
  required,
  sint32,
  string,
  uint32,
  uint64,
} from "../description.ts";
import { threadInfo } from "./x86.ts";

export const pstreeEntry = message("pstree_entry", {
  pid: required(1, uint32),
  ppid: required(2, uint32),
  pgid: required(3, uint32),
  sid: required(4, uint32),
  threads: repeated(5, uint32),
});

const itimer = message("itimer_entry", {
  isec: required(1, uint64),
  iusec: required(2, uint64),
  vsec: required(3, uint64),
  vusec: required(4, uint64),
});

const posixTimer = message("posix_timer_entry", {
  id: required(1, uint32),
  clockId: required(2, uint32),
  signal: required(3, uint32),
  notify: required(4, uint32),
  value: required(5, uint64),
  overrun: required(6, uint32),
  isec: required(7, uint64),
  insec: required(8, uint64),
  vsec: required(9, uint64),
  vnsec: required(10, uint64),
  notifyThreadId: optional(11, int32),
});

const timers = message("task_timers_entry", {
  real: required(1, itimer),
  virtual: required(2, itimer),
  prof: required(3, itimer),
  posix: repeated(4, posixTimer),
});

const rlimit = message("rlimit_entry", { cur: required(1, uint64), max: required(2, uint64) });
const rlimits = message("task_rlimits_entry", { limits: repeated(1, rlimit) });

const siginfo = message("siginfo_entry", { siginfo: required(1, bytes) });
const signalQueue = message("signal_queue_entry", { signals: repeated(1, siginfo) });

const action = message("sa_entry", {
  handler: required(1, uint64),
  flags: required(2, uint64),
  restorer: required(3, uint64),
  mask: required(4, uint64),
  compat: optional(5, bool),
});

const task = message("task_core_entry", {
  /** 1: alive, 2: dead, 3: stopped. */
  state: required(1, uint32),
  exitCode: required(2, uint32),
  personality: required(3, uint32),
  /** The kernel's PF_* flags, as /proc/PID/stat shows them. */
  flags: required(4, uint32),
  blockedSignals: required(5, uint64),
  comm: required(6, string),
  timers: optional(7, timers),
  rlimits: optional(8, rlimits),
  cgroupSet: optional(9, uint32),
  pendingSignals: optional(10, signalQueue),
  loginuid: optional(13, uint32),
  oomScoreAdj: optional(14, int32),
  actions: repeated(15, action),
  childSubreaper: optional(18, bool),
  stopSignal: optional(21, uint32),
  membarrier: optional(22, uint32),
});

const kernelIds = message("task_kobj_ids_entry", {
  vm: required(1, uint32),
  files: required(2, uint32),
  fs: required(3, uint32),
  sighand: required(4, uint32),
  pidNamespace: optional(5, uint32),
  netNamespace: optional(6, uint32),
  ipcNamespace: optional(7, uint32),
  utsNamespace: optional(8, uint32),
  mntNamespace: optional(9, uint32),
  userNamespace: optional(10, uint32),
  cgroupNamespace: optional(11, uint32),
  timeNamespace: optional(12, uint32),
});

const credentials = message("creds_entry", {
  uid: required(1, uint32),
  gid: required(2, uint32),
  euid: required(3, uint32),
  egid: required(4, uint32),
  suid: required(5, uint32),
  sgid: required(6, uint32),
  fsuid: required(7, uint32),
  fsgid: required(8, uint32),
  inheritable: repeated(9, uint32),
  permitted: repeated(10, uint32),
  effective: repeated(11, uint32),
  bounding: repeated(12, uint32),
  securebits: required(13, uint32),
  groups: repeated(14, uint32),
  lsmProfile: optional(15, string),
  lsmSockcreate: optional(16, string),
  noNewPrivs: optional(18, uint32),
  ambient: repeated(19, uint32),
});

const altStack = message("thread_sas_entry", {
  address: required(1, uint64),
  size: required(2, uint64),
  flags: required(3, uint32),
});

const rseq = message("rseq_entry", {
  address: required(1, uint64),
  size: required(2, uint32),
  signature: required(3, uint32),
  criticalSection: optional(4, uint64),
});

const thread = message("thread_core_entry", {
  robustList: required(1, uint64),
  robustListLength: required(2, uint32),
  nice: optional(3, sint32),
  policy: optional(4, uint32),
  priority: optional(5, uint32),
  blockedSignals: optional(6, uint64),
  altStack: optional(7, altStack),
  parentDeathSignal: optional(8, uint32),
  pendingSignals: optional(9, signalQueue),
  credentials: optional(10, credentials),
  /** 0: none, 1: strict, 2: filters. */
  seccompMode: optional(11, uint32),
  /** Index of the last filter in seccomp.img. */
  seccompFilter: optional(12, uint32),
  comm: optional(13, string),
  rseq: optional(15, rseq),
  cgroupSet: optional(16, uint32),
});

export const coreEntry = message("core_entry", {
  /** 1: x86-64. */
  machine: required(1, uint32),
  info: optional(2, threadInfo),
  task: optional(3, task),
  ids: optional(4, kernelIds),
  thread: optional(5, thread),
});

export const idsEntry = kernelIds;

const plugins = message("plugins_entry", { names: repeated(12, string) });

export const inventoryEntry = message("inventory_entry", {
  version: required(1, uint32),
  fdinfoPerId: optional(2, bool),
  rootIds: optional(3, kernelIds),
  namespacesPerId: optional(4, bool),
  rootCgroupSet: optional(5, uint32),
  /** 0: none, 1: SELinux, 2: AppArmor. */
  lsm: optional(6, uint32),
  uptime: optional(8, uint64),
  preDumpMode: optional(9, uint32),
  tcpClose: optional(10, bool),
  networkLock: optional(11, uint32),
  plugins: optional(12, plugins),
  runId: optional(13, string),
  allowUprobes: optional(14, bool),
});

const filter = message("seccomp_filter", {
  program: required(1, bytes),
  previous: optional(2, uint32),
  flags: optional(3, uint32),
});

export const seccompEntry = message("seccomp_entry", { filters: repeated(1, filter) });

export type PstreeEntry = Of<typeof pstreeEntry>;
export type CoreEntry = Of<typeof coreEntry>;
export type ThreadEntry = Of<typeof thread>;
export type TaskEntry = Of<typeof task>;
export type CredentialsEntry = Of<typeof credentials>;
export type IdsEntry = Of<typeof kernelIds>;
export type InventoryEntry = Of<typeof inventoryEntry>;
export type SeccompEntry = Of<typeof seccompEntry>;
export type TimersEntry = Of<typeof timers>;
