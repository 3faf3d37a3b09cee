import { describe, expect, test } from "bun:test";
import type { OpenFile } from "../process.ts";
import { checkOwners, locksOf, ownerOf } from "./claims.ts";
import { Reasons } from "./context.ts";
import type { Opened } from "./open-files.ts";
import { posixTimers } from "./posix-timers.ts";

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
