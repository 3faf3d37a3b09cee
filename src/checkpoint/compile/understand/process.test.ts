/** What no program brings about here, or only with rights that a container lacks: from messages made by hand. */
import { describe, expect, test } from "bun:test";
import type { Images } from "../../images/index.ts";
import type { TaskEntry } from "../../images/messages/process.ts";
import type { FpuEntry } from "../../images/messages/x86.ts";
import { Reasons } from "./context.ts";
import { epollSets } from "./epoll.ts";
import { fpuState } from "./fpu.ts";
import type { FilesContext, Opened } from "./open-files.ts";
import { seccompOf } from "./seccomp.ts";
import { understandTask } from "./task.ts";
import type { ThreadImage } from "./threads.ts";

const never = { isec: 0n, iusec: 0n, vsec: 0n, vusec: 0n };
const byDefault = { handler: 0n, flags: 0n, restorer: 0n, mask: 0n, compat: false };
const TASK: TaskEntry = {
  ...{ state: 1, exitCode: 0, personality: 0, flags: 0, blockedSignals: 0n, comm: "x", cgroupSet: undefined },
  timers: { real: never, virtual: never, prof: { ...never, vsec: 1n, vusec: 2n, isec: 3n }, posix: [] },
  rlimits: { limits: Array.from({ length: 16 }, () => ({ cur: 1n, max: 2n })) },
  ...{ pendingSignals: { signals: [] }, loginuid: 1000, oomScoreAdj: -5, childSubreaper: true, stopSignal: undefined },
  actions: Array.from({ length: 62 }, () => byDefault),
  membarrier: undefined,
};

describe("a process", () => {
  const refused = (changes: Partial<TaskEntry>) => {
    const reasons = new Reasons();
    understandTask({ ...TASK, ...changes }, [2, 5], reasons);
    return reasons.refused;
  };

  test("has timers, limits and a score", () => {
    const reasons = new Reasons();
    expect(understandTask(TASK, [2], reasons)).toMatchObject({
      itimers: [{ which: 2, interval: 3_000_000_000n, value: 1_000_002_000n }],
      signals: [],
      oomScoreAdj: -5,
      membarrier: 0,
      childSubreaper: true,
    });
    expect(reasons.refused).toEqual([]);
  });

  test("has actions for all signals but two", () => {
    const actions = Array.from({ length: 62 }, (_, index) => ({ ...byDefault, handler: BigInt(index + 1) }));
    const signals = understandTask({ ...TASK, actions }, [2], new Reasons()).signals.map(({ signal }) => signal);
    expect(signals).toEqual(Array.from({ length: 64 }, (_, index) => index + 1).filter((n) => n !== 9 && n !== 19));
    const flagged = actions.map((action) => ({ ...byDefault, flags: action.handler === 16n ? 2n : 0n }));
    expect(understandTask({ ...TASK, actions: flagged }, [2], new Reasons()).signals).toMatchObject([
      { signal: 17, flags: 2n },
    ]);
  });

  test("is refused for what the restorer does not restore", () => {
    expect(refused({ state: 2 })).toEqual(["the process is not alive (state 2)"]);
    expect(refused({ personality: 40000 })).toEqual(["the process has a personality (40000)"]);
    expect(refused({ actions: [] })).toEqual(["expected actions for 62 signals, got 0"]);
    expect(refused({ actions: Array.from({ length: 62 }, () => ({ ...byDefault, compat: true })) })[0]).toBe(
      "signal 1: a 32-bit handler",
    );
    expect(refused({ rlimits: undefined })).toEqual(["expected 16 resource limits, got 0"]);
    expect(refused({ timers: undefined })).toEqual(["no timers in the images"]);
    expect(refused({ membarrier: 1 << 20 })).toEqual(["unknown registrations for membarrier 0x100000"]);
    expect(refused({ oomScoreAdj: 1001 })).toEqual(["the OOM score 1001 is out of range"]);
  });
});

describe("the FPU's state", () => {
  const words = (count: number) => Array.from({ length: count }, (_, index) => index);
  const longs = (count: number) => words(count).map(BigInt);
  const parts = {
    ymm: words(64),
    bndregs: [],
    bndcsr: [],
    opmask: longs(8),
    zmmHi256: longs(64),
    hi16Zmm: longs(128),
    pkru: [],
  };
  const base = { cwd: 1, swd: 2, twd: 3, fop: 4, rip: 5n, rdp: 6n, mxcsr: 0x1f80, mxcsrMask: 0xffff, padding: [] };
  const layout = { size: 832, offsets: { ymm: 576 } };
  function state(xstateBv: bigint, changes: Partial<FpuEntry> = {}) {
    const reasons = new Reasons();
    const fpu = { ...base, st: words(32), xmm: words(64), xsave: { xstateBv, ...parts, cet: undefined }, ...changes };
    return { ...fpuState(fpu, layout, "thread 2", reasons), refused: reasons.refused, unsafe: reasons.unsafeOnes };
  }

  test("has in it what is valid and nothing else", () => {
    const { xsave, xfeatures, refused } = state(0b100n);
    const view = new DataView(xsave.buffer);
    expect([xfeatures, refused, xsave.length]).toEqual([0b111n, [], 832]);
    expect([view.getUint16(0, true), view.getUint32(24, true), view.getUint32(36, true)]).toEqual([1, 0x1f80, 1]);
    expect([view.getBigUint64(512, true), view.getBigUint64(520, true), view.getUint32(576 + 252, true)]).toEqual([
      7n,
      0n,
      63,
    ]);
    expect(new DataView(state(0b011n).xsave.buffer).getUint32(576 + 252, true)).toBe(0);
  });

  test("is refused where this machine or the images cannot hold it", () => {
    expect(state(1n << 5n).refused).toEqual(["thread 2: this machine's XSAVE area has no place for opmask"]);
    expect(state(1n << 3n).refused).toEqual(["thread 2: expected 8 words of bndregs, got 0"]);
    expect(state(1n << 11n).refused).toEqual(["thread 2: unknown FPU state 0x800"]);
    expect(state(0n, { mxcsr: 0x10000 }).refused).toEqual(["thread 2: MXCSR 0x10000 has reserved bits"]);
    expect(state(0n, { st: [] }).refused).toEqual(["thread 2: expected 32 words of FPU registers, got 0"]);
    expect(state(0n, { xsave: undefined }).refused).toEqual(["thread 2: no XSAVE state in the images"]);
    expect(state(1n << 18n)).toMatchObject({
      refused: [],
      unsafe: ["thread 2: AMX tiles hold data, which CRIU does not dump"],
    });
  });
});

describe("system call filters", () => {
  const program = new Uint8Array(8);
  function filters(
    last: number,
    chain: readonly (number | undefined)[],
    flags: number,
    others: readonly (number | undefined)[] = [],
  ) {
    const reasons = new Reasons();
    const thread = (seccompMode: number | undefined, tid: number) => ({
      tid,
      thread: { seccompMode, seccompFilter: last },
    });
    // Nothing else of threads and images is looked at.
    const threads = [thread(2, 2), ...others.map((mode, index) => thread(mode, index + 3))] as unknown as ThreadImage[];
    const seccomp = [{ filters: chain.map((previous) => ({ program, previous, flags })) }];
    const found = seccompOf({ seccomp } as unknown as Images, threads, reasons);
    return { found: found.length, refused: reasons.refused };
  }

  test("are those of all threads only if they are marked so", () => {
    expect(filters(1, [undefined, 0], 1, [undefined, 0])).toEqual({ found: 2, refused: [] });
    const other = "thread 3: other system call filters than the main thread";
    expect(filters(1, [undefined, 0], 0, [undefined]).refused).toEqual([other]);
    expect(filters(1, [undefined, 0], 1, [2]).refused).toEqual([other]);
  });

  test("are refused when their chain has no end or leads nowhere", () => {
    expect(filters(0, [0], 1).refused).toEqual([
      "seccomp.img: expected a chain of at most 1 filters, got one that leads to 0",
    ]);
    expect(filters(7, [undefined], 1).refused).toEqual([
      "seccomp.img: expected a chain of at most 1 filters, got one that leads to 7",
    ]);
    expect(filters(0, [undefined], 8).refused).toEqual(["seccomp.img: unknown flags 0x8"]);
  });
});

describe("epoll sets", () => {
  const owner = { uid: 0, euid: 0, signal: 0, pidType: 0, pid: 0 };
  const nowhere = { events: 1, data: 0n, device: undefined, inode: undefined, position: undefined };
  function sets(watched: readonly (readonly number[])[]) {
    const reasons = new Reasons();
    const opened = watched.map((fds, id) => {
      const targets = fds.map((fd) => ({ id, fd, ...nowhere }));
      return { file: { type: 7, id, epoll: { id, flags: 2, owner, targets } }, fds: [id], where: `fd ${id}` };
    });
    const fdinfo = watched.map((_, id) => ({ id, flags: 0, type: 7, fd: id }));
    // Of the files' messages only this part is looked at.
    const found = epollSets(opened as unknown as Opened[], fdinfo, { reasons } as unknown as FilesContext);
    return { order: found.map(({ of }) => of), refused: reasons.refused };
  }

  test("come after those that they watch", () => {
    expect(sets([[1], [2], []])).toEqual({ order: [2, 1, 0], refused: [] });
  });

  test("are refused when they watch each other or what is closed", () => {
    expect(sets([[1], [0], []]).refused).toEqual([
      "fd 0: epoll sets that watch each other",
      "fd 1: epoll sets that watch each other",
    ]);
    expect(sets([[9]]).refused).toEqual(["fd 0: an epoll set that watches the closed descriptor 9"]);
  });
});
