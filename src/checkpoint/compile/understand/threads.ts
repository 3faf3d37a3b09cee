/** Threads: registers, signal stacks, lists that the kernel walks at their end, and how they are scheduled. */
import type { Images } from "../../images/index.ts";
import type { CoreEntry, ThreadEntry } from "../../images/messages/process.ts";
import type { ThreadInfo } from "../../images/messages/x86.ts";
import type { Registers, Thread } from "../process.ts";
import { hex, type Reasons, type XsaveLayout } from "./context.ts";
import { fpuState } from "./fpu.ts";

const X86_64 = 1;
const NATIVE = 1;
/** Selectors of 64-bit user code and data. */
const USER_CS = 0x33n;
const USER_SS = 0x2bn;
const SS_ONSTACK = 1;
const SS_DISABLE = 2;
const SS_AUTODISARM = 1 << 31;
const MAX_NAME_BYTES = 15;
/** SCHED_OTHER, FIFO, RR, BATCH, IDLE. */
const POLICIES = [0, 1, 2, 3, 5];

/** A thread's image, split where everything in it is there. */
export interface ThreadImage {
  readonly tid: number;
  readonly info: ThreadInfo;
  readonly thread: ThreadEntry;
}

/** The threads' images, the leader first. */
export function threadImages(images: Images, pid: number, tids: readonly number[], reasons: Reasons): ThreadImage[] {
  if (!tids.includes(pid)) reasons.refuse(`pstree.img: the process ${pid} is not among its own threads`);
  if (new Set(tids).size !== tids.length) reasons.refuse("pstree.img: a thread is named twice");
  for (const tid of images.core.keys()) {
    if (!tids.includes(tid)) reasons.refuse(`core-${tid}.img: not a thread of the process ${pid}`);
  }
  const ordered = [pid, ...tids.filter((tid) => tid !== pid)];
  return ordered.flatMap((tid) => threadImage(images.core.get(tid), tid, reasons));
}

function threadImage(core: CoreEntry | undefined, tid: number, reasons: Reasons): ThreadImage[] {
  if (core === undefined) {
    reasons.refuse(`core-${tid}.img is missing`);
    return [];
  }
  const { machine, info, thread } = core;
  if (machine !== X86_64 || info === undefined || thread === undefined) {
    reasons.refuse(`core-${tid}.img: expected an x86-64 thread, got machine ${machine}`);
    return [];
  }
  return [{ tid, info, thread }];
}

/** What the restorer makes of one. */
export function understandThread(
  { tid, info, thread }: ThreadImage,
  layout: XsaveLayout,
  leader: { readonly name: string; readonly mask: bigint } | undefined,
  reasons: Reasons,
): Thread {
  const where = `thread ${tid}`;
  const pending = thread.pendingSignals?.signals.length ?? 0;
  if (pending > 0) reasons.refuse(`${where}: ${pending} pending signal${pending === 1 ? "" : "s"}`);
  if (info.tls.some(({ segNotPresent, usable }) => !segNotPresent || usable)) {
    reasons.refuse(`${where}: segments of its own (set_thread_area)`);
  }
  const name = thread.comm ?? leader?.name;
  if (name === undefined || Buffer.byteLength(name) > MAX_NAME_BYTES || name.includes("\0")) {
    reasons.refuse(`${where}: expected a name of at most ${MAX_NAME_BYTES} bytes, got ${JSON.stringify(name)}`);
  }
  const mask = thread.blockedSignals ?? leader?.mask;
  if (mask === undefined) reasons.refuse(`${where}: no blocked signals in the images`);
  return {
    tid,
    name: name ?? "",
    registers: registersOf(info, where, reasons),
    ...fpuState(info.fpu, layout, where, reasons),
    mask: mask ?? 0n,
    altStack: altStackOf(thread, where, reasons),
    clearChildTid: info.clearTidAddr,
    robustList:
      thread.robustList === 0n ? undefined : { address: thread.robustList, length: BigInt(thread.robustListLength) },
    rseq: rseqOf(thread, where, reasons),
    schedule: scheduleOf(thread, where, reasons),
    parentDeathSignal: thread.parentDeathSignal ?? 0,
  };
}

function registersOf({ registers: all }: ThreadInfo, where: string, reasons: Reasons): Registers {
  const { origAx, ds, es, fs, gs, mode, cs, ss, ...registers } = all;
  if (mode !== NATIVE) reasons.refuse(`${where}: 32-bit code`);
  if (cs !== USER_CS || ss !== USER_SS) reasons.refuse(`${where}: unusual segments (cs ${hex(cs)}, ss ${hex(ss)})`);
  if ((ds | es | fs | gs) !== 0n) reasons.refuse(`${where}: segment registers in use`);
  return { ...registers, cs: Number(cs), ss: Number(ss) };
}

function altStackOf({ altStack }: ThreadEntry, where: string, reasons: Reasons): Thread["altStack"] {
  if (altStack === undefined || altStack.flags & SS_DISABLE) return undefined;
  const { address, size } = altStack;
  // That the thread runs on it follows from its stack pointer.
  const flags = (altStack.flags & ~SS_ONSTACK) | 0;
  if (flags !== 0 && flags !== SS_AUTODISARM)
    reasons.refuse(`${where}: unknown flags of its signal stack ${hex(flags)}`);
  return { address, size, flags: flags >>> 0 };
}

function rseqOf({ rseq }: ThreadEntry, where: string, reasons: Reasons): Thread["rseq"] {
  if (rseq === undefined || rseq.address === 0n) return undefined;
  if (rseq.criticalSection !== undefined && rseq.criticalSection !== 0n) {
    reasons.refuse(`${where}: inside a critical section (rseq)`);
  }
  return { address: rseq.address, length: rseq.size, signature: rseq.signature };
}

function scheduleOf({ policy = 0, priority = 0, nice = 0 }: ThreadEntry, where: string, reasons: Reasons) {
  if (!POLICIES.includes(policy)) reasons.refuse(`${where}: unknown scheduling policy ${hex(policy)}`);
  return { policy, priority, nice };
}
