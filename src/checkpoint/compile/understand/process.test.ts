/** What no program brings about here, or only with rights that a container lacks: from messages made by hand. */
import { describe, expect, test } from "bun:test";
import type { Images } from "../../images/index.ts";
import type { TaskEntry } from "../../images/messages/process.ts";
import type { FpuEntry } from "../../images/messages/x86.ts";
import type { OpenFile } from "../process.ts";
import { checkOwners, locksOf, ownerOf } from "./claims.ts";
import { Reasons } from "./context.ts";
import { epollSets } from "./epoll.ts";
import { fpuState } from "./fpu.ts";
import type { FilesContext, Opened } from "./open-files.ts";
import { posixTimers } from "./posix-timers.ts";
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

describe("POSIX timers", () => {
  const times = { isec: 0n, insec: 0n, vsec: 0n, vnsec: 0n };
  const one = { id: 0, clockId: 1, signal: 26, notify: 0, value: 9n, overrun: 0, ...times, notifyThreadId: undefined };
  type Entry = Parameters<typeof posixTimers>[0][number];
  function timers(...changes: readonly Partial<Entry>[]) {
    const reasons = new Reasons();
    const entries = changes.map((change) => ({ ...one, ...change }));
    return { found: posixTimers(entries, [2, 5], reasons), refused: reasons.refused };
  }

  test("are in the order of their ids, whatever they tell", () => {
    const { found, refused } = timers(
      { id: 7, notify: 4, notifyThreadId: 5, vsec: 3n, vnsec: 4n, isec: 1n, overrun: 12 },
      { id: 1, clockId: 2 ** 32 - 6, notify: 1, signal: 0 },
      { id: 3 },
    );
    expect(refused).toEqual([]);
    const rest = { data: 9n, signal: 26, thread: 0, interval: 0n, value: 0n };
    expect(found).toEqual([
      { ...rest, id: 1, clock: 2, notify: 1, signal: 0 },
      { ...rest, id: 3, clock: 1, notify: 0 },
      { ...rest, id: 7, clock: 1, notify: 4, thread: 5, interval: 1_000_000_000n, value: 3_000_000_004n },
    ]);
  });

  test("that have an interval and nothing left were due", () => {
    expect(timers({ isec: 2n }).found).toMatchObject([{ interval: 2_000_000_000n, value: 2_000_000_000n }]);
  });

  test("are refused when nobody knows whose time they measure or whom they tell", () => {
    const why = (change: Partial<Entry>) => timers(change).refused;
    expect(why({ clockId: 8 })).toEqual(["POSIX timer 0: the clock 8"]);
    expect(why({ clockId: 2 ** 32 - 2 })).toEqual(["POSIX timer 0: the clock -2"]);
    expect(why({ notify: 3 })).toEqual(["POSIX timer 0: an unknown way to tell of it (3)"]);
    expect(why({ signal: 65 })).toEqual(["POSIX timer 0: no signal has the number 65"]);
    expect(why({ notify: 4, notifyThreadId: 3 })).toEqual(["POSIX timer 0: it tells the thread 3, which is not there"]);
    expect(why({ vnsec: 1_000_000_000n })).toEqual(["POSIX timer 0: no valid time"]);
    expect(why({ id: 2 ** 31 })).toEqual([`POSIX timer ${2 ** 31}: expected an id of at most ${2 ** 31 - 1}`]);
    expect(timers({}, {}).refused).toEqual(["POSIX timer 0: named twice"]);
  });
});

describe("claims on files", () => {
  const files: OpenFile[] = [
    { is: "regular", path: "/x", flags: 2, offset: 0n },
    { is: "stdio", stream: 1, flags: 1 },
  ];
  const descriptors = [
    { fd: 1, file: 1, closeOnExec: false },
    { fd: 7, file: 0, closeOnExec: false },
  ];
  const posix = { flag: 1, type: 1, pid: 2, fd: 7, start: 5n, length: 10n };

  function locks(changes: Partial<typeof posix>) {
    const reasons = new Reasons();
    const found = locksOf([{ ...posix, ...changes }], 2, { files, descriptors }, reasons);
    return reasons.refused.length > 0 ? reasons.refused : found;
  }

  test("are locks of the process's own, in all their kinds", () => {
    expect(locks({})).toEqual([{ fd: 7, is: "posix", exclusive: true, start: 5n, bytes: 10n }]);
    expect(locks({ flag: 2, type: 0 })).toMatchObject([{ is: "whole", exclusive: false }]);
    expect(locks({ flag: 4 })).toMatchObject([{ is: "open" }]);
    expect(locks({ flag: 8 })).toEqual(["fd 7: a lease"]);
    expect(locks({ type: 32 })).toEqual(["fd 7: an unknown file lock (kind 1, type 32)"]);
    expect(locks({ pid: 3 })).toEqual(["fd 7: a file lock of another process (3)"]);
    expect(locks({ fd: 9 })).toEqual(["fd 9: a lock on what is not open"]);
    expect(locks({ fd: 1 })).toEqual(['fd 1: a lock on a file of the kind "stdio"']);
    expect(locks({ length: -1n })).toEqual(["fd 7: a lock of no valid range"]);
  });

  const nobody = { uid: 0, euid: 0, signal: 0, pidType: 0, pid: 0 };
  function owners(fd: number, changes: Partial<typeof nobody>, flags = 0) {
    const reasons = new Reasons();
    // Of a file's message nothing else is looked at.
    const opened = { fds: [fd], where: `fd ${fd}` } as unknown as Opened;
    const owner = ownerOf(opened, { owner: { ...nobody, ...changes }, flags }, 2, reasons);
    const found = checkOwners(owner ? [owner] : [], { files, descriptors }, { uid: 0, euid: 0 }, reasons);
    return reasons.refused.length > 0 ? reasons.refused : found;
  }

  test("are signals to the process itself or its group", () => {
    expect(owners(7, {})).toEqual([]);
    expect(owners(7, { pid: 2, pidType: 1, signal: 40 }, 0o20000)).toEqual([
      { fd: 7, is: "process", signal: 40, async: true },
    ]);
    expect(owners(7, { pid: 2, pidType: 2 })).toMatchObject([{ is: "group", async: false }]);
    expect(owners(7, {}, 0o20000)).toMatchObject([{ is: "nobody", async: true }]);
    expect(owners(7, { pid: 3, pidType: 1 })).toEqual(["fd 7: signals the process 3 (F_SETOWN)"]);
    expect(owners(7, { pid: 2, pidType: 0 })).toEqual(["fd 7: signals the thread 2 (F_SETOWN)"]);
    expect(owners(7, { signal: 65 })).toEqual(["fd 7: signals its owner with 65 (F_SETSIG)"]);
    expect(owners(1, { pid: 2, pidType: 1 })).toEqual(["fd 1: signals the owner of a standard stream (F_SETOWN)"]);
    expect(owners(7, { pid: 2, pidType: 1, uid: 5 })).toEqual([
      "fd 7: its owner (F_SETOWN) was set by the user 5 (effective: 0)",
    ]);
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
