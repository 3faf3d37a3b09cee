/**
 * Threads as tables. A thread leaves the restorer through rt_sigreturn, so what it returns to is written as the frame that
 * the kernel writes when it delivers a signal (struct rt_sigframe of Linux's arch/x86/include/asm/sigframe.h): return
 * address, ucontext, siginfo, and 64-byte aligned the FPU's state with its two magics.
 */
import type { DataPool } from "./data-pool.ts";
import { RESTORE_LIMITS, type ThreadRecord } from "./generated/tables.ts";
import type { Registers, Thread } from "./process.ts";
import { Refusal } from "./refusal.ts";

/** Byte offsets in a frame. */
const AT = { flags: 8, stack: 24, registers: 48, segments: 192, fpuPointer: 232, mask: 304, fpu: 448 } as const;
/** UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS. */
const CONTEXT_FLAGS = 7n;
const SS_DISABLE = 2;
/** Byte offsets in the FPU's state: what the kernel reserves for software, and the XSAVE header. */
const FPU = { software: 464, header: 512, least: 576 } as const;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const MAGIC2_BYTES = 4;
const ALIGN = 64n;

/** In the order of struct sigcontext. */
const ORDER = [
  ...([
    "r8",
    "r9",
    "r10",
    "r11",
    "r12",
    "r13",
    "r14",
    "r15",
    "di",
    "si",
    "bp",
    "bx",
    "dx",
    "ax",
    "cx",
    "sp",
    "ip",
  ] as const),
  "flags",
] as const satisfies readonly (keyof Registers)[];

export function frameBytes({ xsave }: Thread): number {
  return AT.fpu + xsave.length + MAGIC2_BYTES;
}

/** Bytes of scratch that the restorer needs for these threads, a multiple of the page size. */
export function scratchBytes(threads: readonly Thread[]): bigint {
  const frames = threads.reduce(
    (sum, thread) => sum + RESTORE_LIMITS.THREAD_STACK + frameBytes(thread) + Number(ALIGN),
    0,
  );
  return BigInt((RESTORE_LIMITS.LEADER_BYTES + frames + 4095) & ~4095);
}

/** @param scratch address of scratch. @throws Refusal. */
export function emitThreads(threads: readonly Thread[], scratch: bigint, data: DataPool): ThreadRecord[] {
  let end = scratch + BigInt(RESTORE_LIMITS.LEADER_BYTES);
  return threads.map((thread) => {
    const at = (end + BigInt(RESTORE_LIMITS.THREAD_STACK) + ALIGN - 1n) & -ALIGN;
    const frame = makeFrame(thread, at);
    end = at + BigInt(frame.length);
    const { robustList, rseq, schedule, registers } = thread;
    return {
      tid: thread.tid,
      frame: data.bytes(frame),
      frameBytes: frame.length,
      name: data.text(thread.name),
      frameAt: at,
      fs: registers.fsBase,
      gs: registers.gsBase,
      clearTid: thread.clearChildTid,
      robust: robustList?.address ?? 0n,
      robustBytes: robustList?.length ?? 0n,
      rseq: rseq?.address ?? 0n,
      rseqBytes: rseq?.length ?? 0,
      rseqSignature: rseq?.signature ?? 0,
      policy: schedule.policy,
      priority: schedule.priority,
      nice: schedule.nice,
      deathSignal: thread.parentDeathSignal,
    };
  });
}

function makeFrame(thread: Thread, address: bigint): Uint8Array {
  const { xsave, registers, altStack } = thread;
  if (xsave.length < FPU.least) throw new Refusal(`thread ${thread.tid}: FPU state of ${xsave.length} bytes`);
  const frame = new Uint8Array(frameBytes(thread));
  const view = new DataView(frame.buffer);
  view.setBigUint64(AT.flags, CONTEXT_FLAGS, true);
  view.setBigUint64(AT.stack, altStack?.address ?? 0n, true);
  view.setUint32(AT.stack + 8, altStack ? altStack.flags >>> 0 : SS_DISABLE, true);
  view.setBigUint64(AT.stack + 16, altStack?.size ?? 0n, true);
  ORDER.forEach((name, i) => {
    view.setBigUint64(AT.registers + i * 8, registers[name], true);
  });
  view.setUint16(AT.segments, registers.cs, true);
  view.setUint16(AT.segments + 6, registers.ss, true);
  view.setBigUint64(AT.fpuPointer, address + BigInt(AT.fpu), true);
  view.setBigUint64(AT.mask, thread.mask, true);
  frame.set(xsave, AT.fpu);
  const software = AT.fpu + FPU.software;
  view.setUint32(software, FP_XSTATE_MAGIC1, true);
  view.setUint32(software + 4, xsave.length + MAGIC2_BYTES, true);
  view.setBigUint64(software + 8, thread.xfeatures, true);
  view.setUint32(software + 16, xsave.length, true);
  view.setBigUint64(AT.fpu + FPU.header, thread.xfeatures, true);
  view.setUint32(AT.fpu + xsave.length, FP_XSTATE_MAGIC2, true);
  return frame;
}
