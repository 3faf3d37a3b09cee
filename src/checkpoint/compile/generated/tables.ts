// Generated from protocol/restore.yaml by protocol/generate.ts. Do not edit.

export const RESTORE_MAGIC = 0x3130545352574854n;
export const RESTORE_VERSION = 3;

export const RESTORE_LIMITS = {
  FILE_BYTES: 67108864,
  VMAS: 65536,
  RUNS: 1048576,
  FILES: 65536,
  THREADS: 4096,
  FD: 1048576,
  FRAME_BYTES: 16384,
  CODE_BYTES: 32768,
  LEADER_BYTES: 32768,
  THREAD_STACK: 2048,
  PACKS: 1024,
  WATCH: 16384,
  TIMER_TRIES: 16384,
} as const;

export const VmaKind = {
  anonymous: 0,
  growsDown: 1,
  file: 2,
  fileLate: 3,
  droppable: 4,
} as const;

export const FileKind = {
  stdio: 0,
  open: 1,
  pipe: 2,
  pipeWrite: 3,
  eventfd: 4,
  timerfd: 5,
  signalfd: 6,
  inotify: 7,
  epoll: 8,
  socket: 9,
  socketpair: 10,
  socketpairSecond: 11,
  pathSocket: 12,
} as const;

export const LockKind = {
  posix: 0,
  whole: 1,
  open: 2,
} as const;

export const OwnerKind = {
  nobody: 0,
  process: 1,
  group: 2,
} as const;

export interface VmaRecord {
  readonly start: bigint;
  readonly end: bigint;
  readonly offset: bigint;
  readonly prot: number;
  readonly kind: number;
  readonly path: number;
  readonly flags: number;
  readonly filled: number;
}

export const VMA_BYTES = 48;

export function writeVma(view: DataView, at: number, value: VmaRecord): void {
  view.setBigUint64(at + 0, value.start, true);
  view.setBigUint64(at + 8, value.end, true);
  view.setBigUint64(at + 16, value.offset, true);
  view.setUint32(at + 24, value.prot, true);
  view.setUint32(at + 28, value.kind, true);
  view.setUint32(at + 32, value.path, true);
  view.setUint32(at + 36, value.flags, true);
  view.setUint32(at + 40, value.filled, true);
}

export interface RunRecord {
  readonly address: bigint;
  readonly offset: bigint;
  readonly bytes: bigint;
  readonly pack: number;
}

export const RUN_BYTES = 32;

export function writeRun(view: DataView, at: number, value: RunRecord): void {
  view.setBigUint64(at + 0, value.address, true);
  view.setBigUint64(at + 8, value.offset, true);
  view.setBigUint64(at + 16, value.bytes, true);
  view.setUint32(at + 24, value.pack, true);
}

export interface HugeRecord {
  readonly start: bigint;
  readonly bytes: bigint;
  readonly whole: number;
}

export const HUGE_BYTES = 24;

export function writeHuge(view: DataView, at: number, value: HugeRecord): void {
  view.setBigUint64(at + 0, value.start, true);
  view.setBigUint64(at + 8, value.bytes, true);
  view.setUint32(at + 16, value.whole, true);
}

export interface AdviceRecord {
  readonly start: bigint;
  readonly bytes: bigint;
  readonly advice: number;
}

export const ADVICE_BYTES = 24;

export function writeAdvice(view: DataView, at: number, value: AdviceRecord): void {
  view.setBigUint64(at + 0, value.start, true);
  view.setBigUint64(at + 8, value.bytes, true);
  view.setUint32(at + 16, value.advice, true);
}

export interface PrefaultRecord {
  readonly start: bigint;
  readonly bytes: bigint;
  readonly write: number;
}

export const PREFAULT_BYTES = 24;

export function writePrefault(view: DataView, at: number, value: PrefaultRecord): void {
  view.setBigUint64(at + 0, value.start, true);
  view.setBigUint64(at + 8, value.bytes, true);
  view.setUint32(at + 16, value.write, true);
}

export interface FileRecord {
  readonly kind: number;
  readonly flags: number;
  readonly text: number;
  readonly length: number;
  readonly first: number;
  readonly count: number;
  readonly a: bigint;
  readonly b: bigint;
  readonly c: bigint;
  readonly d: bigint;
  readonly e: bigint;
}

export const FILE_BYTES = 64;

export function writeFile(view: DataView, at: number, value: FileRecord): void {
  view.setUint32(at + 0, value.kind, true);
  view.setUint32(at + 4, value.flags, true);
  view.setUint32(at + 8, value.text, true);
  view.setUint32(at + 12, value.length, true);
  view.setUint32(at + 16, value.first, true);
  view.setUint32(at + 20, value.count, true);
  view.setBigUint64(at + 24, value.a, true);
  view.setBigUint64(at + 32, value.b, true);
  view.setBigUint64(at + 40, value.c, true);
  view.setBigUint64(at + 48, value.d, true);
  view.setBigUint64(at + 56, value.e, true);
}

export interface DescriptorRecord {
  readonly fd: number;
  readonly file: number;
  readonly cloexec: number;
}

export const DESCRIPTOR_BYTES = 16;

export function writeDescriptor(view: DataView, at: number, value: DescriptorRecord): void {
  view.setUint32(at + 0, value.fd, true);
  view.setUint32(at + 4, value.file, true);
  view.setUint32(at + 8, value.cloexec, true);
}

export interface WatchRecord {
  readonly a: number;
  readonly b: number;
  readonly data: bigint;
}

export const WATCH_BYTES = 16;

export function writeWatch(view: DataView, at: number, value: WatchRecord): void {
  view.setUint32(at + 0, value.a, true);
  view.setUint32(at + 4, value.b, true);
  view.setBigUint64(at + 8, value.data, true);
}

export interface OptionRecord {
  readonly level: number;
  readonly name: number;
  readonly value: number;
  readonly length: number;
}

export const OPTION_BYTES = 16;

export function writeOption(view: DataView, at: number, value: OptionRecord): void {
  view.setUint32(at + 0, value.level, true);
  view.setUint32(at + 4, value.name, true);
  view.setUint32(at + 8, value.value, true);
  view.setUint32(at + 12, value.length, true);
}

export interface PacketRecord {
  readonly file: number;
  readonly data: number;
  readonly length: number;
}

export const PACKET_BYTES = 16;

export function writePacket(view: DataView, at: number, value: PacketRecord): void {
  view.setUint32(at + 0, value.file, true);
  view.setUint32(at + 4, value.data, true);
  view.setUint32(at + 8, value.length, true);
}

export interface LockRecord {
  readonly fd: number;
  readonly kind: number;
  readonly exclusive: number;
  readonly start: bigint;
  readonly bytes: bigint;
}

export const LOCK_BYTES = 32;

export function writeLock(view: DataView, at: number, value: LockRecord): void {
  view.setUint32(at + 0, value.fd, true);
  view.setUint32(at + 4, value.kind, true);
  view.setUint32(at + 8, value.exclusive, true);
  view.setBigUint64(at + 16, value.start, true);
  view.setBigUint64(at + 24, value.bytes, true);
}

export interface OwnerRecord {
  readonly fd: number;
  readonly kind: number;
  readonly signal: number;
  readonly async: number;
}

export const OWNER_BYTES = 16;

export function writeOwner(view: DataView, at: number, value: OwnerRecord): void {
  view.setUint32(at + 0, value.fd, true);
  view.setUint32(at + 4, value.kind, true);
  view.setUint32(at + 8, value.signal, true);
  view.setUint32(at + 12, value.async, true);
}

export interface ThreadRecord {
  readonly tid: number;
  readonly frame: number;
  readonly frameBytes: number;
  readonly name: number;
  readonly frameAt: bigint;
  readonly fs: bigint;
  readonly gs: bigint;
  readonly clearTid: bigint;
  readonly robust: bigint;
  readonly robustBytes: bigint;
  readonly rseq: bigint;
  readonly rseqBytes: number;
  readonly rseqSignature: number;
  readonly policy: number;
  readonly priority: number;
  readonly nice: number;
  readonly deathSignal: number;
}

export const THREAD_BYTES = 96;

export function writeThread(view: DataView, at: number, value: ThreadRecord): void {
  view.setUint32(at + 0, value.tid, true);
  view.setUint32(at + 4, value.frame, true);
  view.setUint32(at + 8, value.frameBytes, true);
  view.setUint32(at + 12, value.name, true);
  view.setBigUint64(at + 16, value.frameAt, true);
  view.setBigUint64(at + 24, value.fs, true);
  view.setBigUint64(at + 32, value.gs, true);
  view.setBigUint64(at + 40, value.clearTid, true);
  view.setBigUint64(at + 48, value.robust, true);
  view.setBigUint64(at + 56, value.robustBytes, true);
  view.setBigUint64(at + 64, value.rseq, true);
  view.setUint32(at + 72, value.rseqBytes, true);
  view.setUint32(at + 76, value.rseqSignature, true);
  view.setInt32(at + 80, value.policy, true);
  view.setInt32(at + 84, value.priority, true);
  view.setInt32(at + 88, value.nice, true);
  view.setUint32(at + 92, value.deathSignal, true);
}

export interface SignalRecord {
  readonly handler: bigint;
  readonly flags: bigint;
  readonly restorer: bigint;
  readonly mask: bigint;
  readonly signal: number;
}

export const SIGNAL_BYTES = 40;

export function writeSignal(view: DataView, at: number, value: SignalRecord): void {
  view.setBigUint64(at + 0, value.handler, true);
  view.setBigUint64(at + 8, value.flags, true);
  view.setBigUint64(at + 16, value.restorer, true);
  view.setBigUint64(at + 24, value.mask, true);
  view.setUint32(at + 32, value.signal, true);
}

export interface RlimitRecord {
  readonly soft: bigint;
  readonly hard: bigint;
  readonly resource: number;
}

export const RLIMIT_BYTES = 24;

export function writeRlimit(view: DataView, at: number, value: RlimitRecord): void {
  view.setBigUint64(at + 0, value.soft, true);
  view.setBigUint64(at + 8, value.hard, true);
  view.setUint32(at + 16, value.resource, true);
}

export interface ItimerRecord {
  readonly interval: bigint;
  readonly value: bigint;
  readonly which: number;
}

export const ITIMER_BYTES = 24;

export function writeItimer(view: DataView, at: number, value: ItimerRecord): void {
  view.setBigUint64(at + 0, value.interval, true);
  view.setBigUint64(at + 8, value.value, true);
  view.setUint32(at + 16, value.which, true);
}

export interface TimerRecord {
  readonly id: number;
  readonly clock: number;
  readonly notify: number;
  readonly signal: number;
  readonly thread: number;
  readonly data: bigint;
  readonly interval: bigint;
  readonly value: bigint;
}

export const TIMER_BYTES = 48;

export function writeTimer(view: DataView, at: number, value: TimerRecord): void {
  view.setUint32(at + 0, value.id, true);
  view.setUint32(at + 4, value.clock, true);
  view.setUint32(at + 8, value.notify, true);
  view.setUint32(at + 12, value.signal, true);
  view.setUint32(at + 16, value.thread, true);
  view.setBigUint64(at + 24, value.data, true);
  view.setBigUint64(at + 32, value.interval, true);
  view.setBigUint64(at + 40, value.value, true);
}

export interface FilterRecord {
  readonly program: number;
  readonly instructions: number;
  readonly flags: number;
}

export const FILTER_BYTES = 16;

export function writeFilter(view: DataView, at: number, value: FilterRecord): void {
  view.setUint32(at + 0, value.program, true);
  view.setUint32(at + 4, value.instructions, true);
  view.setUint32(at + 8, value.flags, true);
}

export interface GroupRecord {
  readonly gid: number;
}

export const GROUP_BYTES = 4;

export function writeGroup(view: DataView, at: number, value: GroupRecord): void {
  view.setUint32(at + 0, value.gid, true);
}

export interface AuxvRecord {
  readonly value: bigint;
}

export const AUXV_BYTES = 8;

export function writeAuxv(view: DataView, at: number, value: AuxvRecord): void {
  view.setBigUint64(at + 0, value.value, true);
}

export interface HeaderRecord {
  readonly magic: bigint;
  readonly version: number;
  readonly size: number;
  readonly vmasAt: number;
  readonly vmasCount: number;
  readonly runsAt: number;
  readonly runsCount: number;
  readonly hugeAt: number;
  readonly hugeCount: number;
  readonly adviceAt: number;
  readonly adviceCount: number;
  readonly prefaultAt: number;
  readonly prefaultCount: number;
  readonly filesAt: number;
  readonly filesCount: number;
  readonly descriptorsAt: number;
  readonly descriptorsCount: number;
  readonly watchesAt: number;
  readonly watchesCount: number;
  readonly optionsAt: number;
  readonly optionsCount: number;
  readonly packetsAt: number;
  readonly packetsCount: number;
  readonly locksAt: number;
  readonly locksCount: number;
  readonly ownersAt: number;
  readonly ownersCount: number;
  readonly threadsAt: number;
  readonly threadsCount: number;
  readonly signalsAt: number;
  readonly signalsCount: number;
  readonly rlimitsAt: number;
  readonly rlimitsCount: number;
  readonly itimersAt: number;
  readonly itimersCount: number;
  readonly timersAt: number;
  readonly timersCount: number;
  readonly filtersAt: number;
  readonly filtersCount: number;
  readonly groupsAt: number;
  readonly groupsCount: number;
  readonly auxvAt: number;
  readonly auxvCount: number;
  readonly dataAt: number;
  readonly dataCount: number;
  readonly hole: bigint;
  readonly scratchBytes: bigint;
  readonly vdso: bigint;
  readonly startCode: bigint;
  readonly endCode: bigint;
  readonly startData: bigint;
  readonly endData: bigint;
  readonly startBrk: bigint;
  readonly brk: bigint;
  readonly startStack: bigint;
  readonly argStart: bigint;
  readonly argEnd: bigint;
  readonly envStart: bigint;
  readonly envEnd: bigint;
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly bounding: bigint;
  readonly ambient: bigint;
  readonly pid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly umask: number;
  readonly cwd: number;
  readonly exe: number;
  readonly uid: number;
  readonly euid: number;
  readonly suid: number;
  readonly fsuid: number;
  readonly gid: number;
  readonly egid: number;
  readonly sgid: number;
  readonly fsgid: number;
  readonly securebits: number;
  readonly noNewPrivs: number;
  readonly dumpable: number;
  readonly membarrier: number;
  readonly thpDisabled: number;
  readonly subreaper: number;
  readonly firstFreeFd: number;
}

export const HEADER_BYTES = 424;

export function writeHeader(view: DataView, at: number, value: HeaderRecord): void {
  view.setBigUint64(at + 0, value.magic, true);
  view.setUint32(at + 8, value.version, true);
  view.setUint32(at + 12, value.size, true);
  view.setUint32(at + 16, value.vmasAt, true);
  view.setUint32(at + 20, value.vmasCount, true);
  view.setUint32(at + 24, value.runsAt, true);
  view.setUint32(at + 28, value.runsCount, true);
  view.setUint32(at + 32, value.hugeAt, true);
  view.setUint32(at + 36, value.hugeCount, true);
  view.setUint32(at + 40, value.adviceAt, true);
  view.setUint32(at + 44, value.adviceCount, true);
  view.setUint32(at + 48, value.prefaultAt, true);
  view.setUint32(at + 52, value.prefaultCount, true);
  view.setUint32(at + 56, value.filesAt, true);
  view.setUint32(at + 60, value.filesCount, true);
  view.setUint32(at + 64, value.descriptorsAt, true);
  view.setUint32(at + 68, value.descriptorsCount, true);
  view.setUint32(at + 72, value.watchesAt, true);
  view.setUint32(at + 76, value.watchesCount, true);
  view.setUint32(at + 80, value.optionsAt, true);
  view.setUint32(at + 84, value.optionsCount, true);
  view.setUint32(at + 88, value.packetsAt, true);
  view.setUint32(at + 92, value.packetsCount, true);
  view.setUint32(at + 96, value.locksAt, true);
  view.setUint32(at + 100, value.locksCount, true);
  view.setUint32(at + 104, value.ownersAt, true);
  view.setUint32(at + 108, value.ownersCount, true);
  view.setUint32(at + 112, value.threadsAt, true);
  view.setUint32(at + 116, value.threadsCount, true);
  view.setUint32(at + 120, value.signalsAt, true);
  view.setUint32(at + 124, value.signalsCount, true);
  view.setUint32(at + 128, value.rlimitsAt, true);
  view.setUint32(at + 132, value.rlimitsCount, true);
  view.setUint32(at + 136, value.itimersAt, true);
  view.setUint32(at + 140, value.itimersCount, true);
  view.setUint32(at + 144, value.timersAt, true);
  view.setUint32(at + 148, value.timersCount, true);
  view.setUint32(at + 152, value.filtersAt, true);
  view.setUint32(at + 156, value.filtersCount, true);
  view.setUint32(at + 160, value.groupsAt, true);
  view.setUint32(at + 164, value.groupsCount, true);
  view.setUint32(at + 168, value.auxvAt, true);
  view.setUint32(at + 172, value.auxvCount, true);
  view.setUint32(at + 176, value.dataAt, true);
  view.setUint32(at + 180, value.dataCount, true);
  view.setBigUint64(at + 184, value.hole, true);
  view.setBigUint64(at + 192, value.scratchBytes, true);
  view.setBigUint64(at + 200, value.vdso, true);
  view.setBigUint64(at + 208, value.startCode, true);
  view.setBigUint64(at + 216, value.endCode, true);
  view.setBigUint64(at + 224, value.startData, true);
  view.setBigUint64(at + 232, value.endData, true);
  view.setBigUint64(at + 240, value.startBrk, true);
  view.setBigUint64(at + 248, value.brk, true);
  view.setBigUint64(at + 256, value.startStack, true);
  view.setBigUint64(at + 264, value.argStart, true);
  view.setBigUint64(at + 272, value.argEnd, true);
  view.setBigUint64(at + 280, value.envStart, true);
  view.setBigUint64(at + 288, value.envEnd, true);
  view.setBigUint64(at + 296, value.effective, true);
  view.setBigUint64(at + 304, value.permitted, true);
  view.setBigUint64(at + 312, value.inheritable, true);
  view.setBigUint64(at + 320, value.bounding, true);
  view.setBigUint64(at + 328, value.ambient, true);
  view.setUint32(at + 336, value.pid, true);
  view.setUint32(at + 340, value.pgid, true);
  view.setUint32(at + 344, value.sid, true);
  view.setUint32(at + 348, value.umask, true);
  view.setUint32(at + 352, value.cwd, true);
  view.setUint32(at + 356, value.exe, true);
  view.setUint32(at + 360, value.uid, true);
  view.setUint32(at + 364, value.euid, true);
  view.setUint32(at + 368, value.suid, true);
  view.setUint32(at + 372, value.fsuid, true);
  view.setUint32(at + 376, value.gid, true);
  view.setUint32(at + 380, value.egid, true);
  view.setUint32(at + 384, value.sgid, true);
  view.setUint32(at + 388, value.fsgid, true);
  view.setUint32(at + 392, value.securebits, true);
  view.setUint32(at + 396, value.noNewPrivs, true);
  view.setUint32(at + 400, value.dumpable, true);
  view.setUint32(at + 404, value.membarrier, true);
  view.setUint32(at + 408, value.thpDisabled, true);
  view.setUint32(at + 412, value.subreaper, true);
  view.setUint32(at + 416, value.firstFreeFd, true);
}

/** The content of a table file. `data` begins and ends with a zero byte. */
export interface Sections {
  readonly vmas: readonly VmaRecord[];
  readonly runs: readonly RunRecord[];
  readonly huge: readonly HugeRecord[];
  readonly advice: readonly AdviceRecord[];
  readonly prefault: readonly PrefaultRecord[];
  readonly files: readonly FileRecord[];
  readonly descriptors: readonly DescriptorRecord[];
  readonly watches: readonly WatchRecord[];
  readonly options: readonly OptionRecord[];
  readonly packets: readonly PacketRecord[];
  readonly locks: readonly LockRecord[];
  readonly owners: readonly OwnerRecord[];
  readonly threads: readonly ThreadRecord[];
  readonly signals: readonly SignalRecord[];
  readonly rlimits: readonly RlimitRecord[];
  readonly itimers: readonly ItimerRecord[];
  readonly timers: readonly TimerRecord[];
  readonly filters: readonly FilterRecord[];
  readonly groups: readonly GroupRecord[];
  readonly auxv: readonly AuxvRecord[];
  readonly data: Uint8Array;
}

export type HeaderFields = Omit<HeaderRecord, "magic" | "version" | "size" | "vmasAt" | "vmasCount" | "runsAt" | "runsCount" | "hugeAt" | "hugeCount" | "adviceAt" | "adviceCount" | "prefaultAt" | "prefaultCount" | "filesAt" | "filesCount" | "descriptorsAt" | "descriptorsCount" | "watchesAt" | "watchesCount" | "optionsAt" | "optionsCount" | "packetsAt" | "packetsCount" | "locksAt" | "locksCount" | "ownersAt" | "ownersCount" | "threadsAt" | "threadsCount" | "signalsAt" | "signalsCount" | "rlimitsAt" | "rlimitsCount" | "itimersAt" | "itimersCount" | "timersAt" | "timersCount" | "filtersAt" | "filtersCount" | "groupsAt" | "groupsCount" | "auxvAt" | "auxvCount" | "dataAt" | "dataCount">;

export function writeTables(sections: Sections, header: HeaderFields): Uint8Array {
  let size = HEADER_BYTES + (-HEADER_BYTES & 7);
  const room = (bytes: number): number => {
    size += (bytes + 7) & ~7;
    return size - ((bytes + 7) & ~7);
  };
  const vmasAt = room(sections.vmas.length * VMA_BYTES);
  const runsAt = room(sections.runs.length * RUN_BYTES);
  const hugeAt = room(sections.huge.length * HUGE_BYTES);
  const adviceAt = room(sections.advice.length * ADVICE_BYTES);
  const prefaultAt = room(sections.prefault.length * PREFAULT_BYTES);
  const filesAt = room(sections.files.length * FILE_BYTES);
  const descriptorsAt = room(sections.descriptors.length * DESCRIPTOR_BYTES);
  const watchesAt = room(sections.watches.length * WATCH_BYTES);
  const optionsAt = room(sections.options.length * OPTION_BYTES);
  const packetsAt = room(sections.packets.length * PACKET_BYTES);
  const locksAt = room(sections.locks.length * LOCK_BYTES);
  const ownersAt = room(sections.owners.length * OWNER_BYTES);
  const threadsAt = room(sections.threads.length * THREAD_BYTES);
  const signalsAt = room(sections.signals.length * SIGNAL_BYTES);
  const rlimitsAt = room(sections.rlimits.length * RLIMIT_BYTES);
  const itimersAt = room(sections.itimers.length * ITIMER_BYTES);
  const timersAt = room(sections.timers.length * TIMER_BYTES);
  const filtersAt = room(sections.filters.length * FILTER_BYTES);
  const groupsAt = room(sections.groups.length * GROUP_BYTES);
  const auxvAt = room(sections.auxv.length * AUXV_BYTES);
  const dataAt = room(sections.data.length);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  writeHeader(view, 0, {
    ...header,
    magic: RESTORE_MAGIC,
    version: RESTORE_VERSION,
    size,
    vmasAt,
    vmasCount: sections.vmas.length,
    runsAt,
    runsCount: sections.runs.length,
    hugeAt,
    hugeCount: sections.huge.length,
    adviceAt,
    adviceCount: sections.advice.length,
    prefaultAt,
    prefaultCount: sections.prefault.length,
    filesAt,
    filesCount: sections.files.length,
    descriptorsAt,
    descriptorsCount: sections.descriptors.length,
    watchesAt,
    watchesCount: sections.watches.length,
    optionsAt,
    optionsCount: sections.options.length,
    packetsAt,
    packetsCount: sections.packets.length,
    locksAt,
    locksCount: sections.locks.length,
    ownersAt,
    ownersCount: sections.owners.length,
    threadsAt,
    threadsCount: sections.threads.length,
    signalsAt,
    signalsCount: sections.signals.length,
    rlimitsAt,
    rlimitsCount: sections.rlimits.length,
    itimersAt,
    itimersCount: sections.itimers.length,
    timersAt,
    timersCount: sections.timers.length,
    filtersAt,
    filtersCount: sections.filters.length,
    groupsAt,
    groupsCount: sections.groups.length,
    auxvAt,
    auxvCount: sections.auxv.length,
    dataAt,
    dataCount: sections.data.length,
  });
  sections.vmas.forEach((value, i) => {
    writeVma(view, vmasAt + i * VMA_BYTES, value);
  });
  sections.runs.forEach((value, i) => {
    writeRun(view, runsAt + i * RUN_BYTES, value);
  });
  sections.huge.forEach((value, i) => {
    writeHuge(view, hugeAt + i * HUGE_BYTES, value);
  });
  sections.advice.forEach((value, i) => {
    writeAdvice(view, adviceAt + i * ADVICE_BYTES, value);
  });
  sections.prefault.forEach((value, i) => {
    writePrefault(view, prefaultAt + i * PREFAULT_BYTES, value);
  });
  sections.files.forEach((value, i) => {
    writeFile(view, filesAt + i * FILE_BYTES, value);
  });
  sections.descriptors.forEach((value, i) => {
    writeDescriptor(view, descriptorsAt + i * DESCRIPTOR_BYTES, value);
  });
  sections.watches.forEach((value, i) => {
    writeWatch(view, watchesAt + i * WATCH_BYTES, value);
  });
  sections.options.forEach((value, i) => {
    writeOption(view, optionsAt + i * OPTION_BYTES, value);
  });
  sections.packets.forEach((value, i) => {
    writePacket(view, packetsAt + i * PACKET_BYTES, value);
  });
  sections.locks.forEach((value, i) => {
    writeLock(view, locksAt + i * LOCK_BYTES, value);
  });
  sections.owners.forEach((value, i) => {
    writeOwner(view, ownersAt + i * OWNER_BYTES, value);
  });
  sections.threads.forEach((value, i) => {
    writeThread(view, threadsAt + i * THREAD_BYTES, value);
  });
  sections.signals.forEach((value, i) => {
    writeSignal(view, signalsAt + i * SIGNAL_BYTES, value);
  });
  sections.rlimits.forEach((value, i) => {
    writeRlimit(view, rlimitsAt + i * RLIMIT_BYTES, value);
  });
  sections.itimers.forEach((value, i) => {
    writeItimer(view, itimersAt + i * ITIMER_BYTES, value);
  });
  sections.timers.forEach((value, i) => {
    writeTimer(view, timersAt + i * TIMER_BYTES, value);
  });
  sections.filters.forEach((value, i) => {
    writeFilter(view, filtersAt + i * FILTER_BYTES, value);
  });
  sections.groups.forEach((value, i) => {
    writeGroup(view, groupsAt + i * GROUP_BYTES, value);
  });
  sections.auxv.forEach((value, i) => {
    writeAuxv(view, auxvAt + i * AUXV_BYTES, value);
  });
  file.set(sections.data, dataAt);
  return file;
}
