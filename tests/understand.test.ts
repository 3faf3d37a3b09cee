/** What dumps of real processes are understood as. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { OpenFile } from "../src/checkpoint/compile/process.ts";
import type { UnderstandContext } from "../src/checkpoint/compile/understand.ts";
import { type Dump, Dumps, processOf } from "./support/dumps.ts";
import { findCriu } from "./support/machine.ts";
import { expectSound } from "./support/sound-process.ts";
import { STATES_PATH } from "./support/states.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: dumps need a working CRIU: ${criu}`);

describe.skipIf(typeof criu === "string")("understanding dumps", () => {
  let dumps: Dumps;
  let everything: Dump;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    dumps = await Dumps.open(criu);
    everything = await dumps.make("everything");
  });

  afterAll(async () => {
    expect(await dumps.close()).toEqual([]);
  });

  test("everything that a process may have", async () => {
    const process = await processOf(everything);
    expect(process).toMatchObject({ pid: 2, cwd: "/tmp", umask: 0o027, membarrier: 1 << 4, childSubreaper: false });
    expect(process.mm).toMatchObject({ exe: STATES_PATH, dumpable: 1 });
    expect(process.itimers).toHaveLength(1);
    expect(process.itimers[0]).toMatchObject({ which: 0, interval: 5_000_000_000n });
    // SIG_IGN; the other handlers are libc's own for its threads.
    expect(process.signals.filter(({ signal }) => signal < 32)).toMatchObject([{ signal: 14, handler: 1n }]);
    expect(process.limits).toHaveLength(16);
    expect(process.credentials).toMatchObject({ uid: 0, fsgid: 0, noNewPrivs: true, effective: 0xa80425fbn });
  });

  test("threads, with the leader first", async () => {
    const { threads } = await processOf(everything);
    expect(threads.map(({ tid }) => tid)).toEqual([2, 3, 4]);
    expect(threads.map(({ name }) => name)).toEqual(["renamed", "renamed", "renamed"]);
    expect(threads.map(({ schedule }) => schedule)).toEqual(
      [5, 5, 5].map((nice) => ({ policy: 0, priority: 0, nice })),
    );
    expect(threads[0]).toMatchObject({ parentDeathSignal: 15, altStack: { size: 65536n, flags: 0 } });
    expect(threads[1]).toMatchObject({ parentDeathSignal: 0, altStack: undefined });
  });

  test("system call filters, the oldest first, for all threads", async () => {
    const { seccomp } = await processOf(everything);
    expect(seccomp.map(({ program }) => program.length).slice(1)).toEqual([8, 16]);
    expect(seccomp.map(({ flags }) => flags)).toEqual([0, 0, 2]);
    expect(seccomp[0]?.program.length).toBeGreaterThan(1000);
  });

  test("files and what is in them", async () => {
    const { files, descriptors } = await processOf(everything);
    const of = (is: OpenFile["is"]) => files.filter((file) => file.is === is);
    expect(of("stdio")).toEqual([
      { is: "stdio", stream: 1, flags: 1 },
      { is: "stdio", stream: 2, flags: 1 },
    ]);
    expect(of("pipe")).toMatchObject([
      { end: "read", flags: 0o4000, data: Buffer.from("hello"), size: 16384 },
      { end: "write", flags: 0o4001, size: 16384 },
    ]);
    expect(of("eventfd")).toMatchObject([{ counter: 7n, flags: 0o4002 }]);
    expect(of("signalfd")).toMatchObject([{ mask: 1n << 9n }]);
    expect(of("timerfd")).toMatchObject([{ clock: 1, interval: 3_000_000_005n, ticks: 0n }]);
    expect(of("inotify")).toMatchObject([{ watches: [{ wd: 2, mask: 0x04000202, path: "/dev/shm" }] }]);
    expect(of("regular")).toMatchObject([
      { path: "/tmp/text", offset: 4n, flags: 0o102002 },
      { path: "/tmp/text", offset: 0n, flags: 0o10000000 },
    ]);
    const text = files.findIndex((file) => file.is === "regular" && file.offset === 4n);
    expect(descriptors.filter(({ file }) => file === text).slice(1)).toEqual([
      { fd: 40, file: text, closeOnExec: false },
      { fd: 41, file: text, closeOnExec: true },
    ]);
    const [inner, outer] = files.flatMap((file, index) => (file.is === "epoll" ? [{ file, index }] : []));
    const innerFd = descriptors.find(({ file }) => file === inner?.index)?.fd;
    expect(outer?.file.watches.map(({ fd }) => fd)).toContain(innerFd ?? -1);
    expect(inner?.file.watches[0]).toMatchObject({ data: 0x1122334455667788n });
  });

  test("sockets with their options", async () => {
    const { files } = await processOf(everything);
    const of = (is: OpenFile["is"]) => files.filter((file) => file.is === is);
    expect(of("listener")).toMatchObject([
      { type: "tcp", port: 8080, address: new Uint8Array([127, 0, 0, 1]), backlog: 77 },
      { type: "tcp", port: 9090, address: new Uint8Array(16), backlog: 5 },
      { type: "tcp", port: 8081, backlog: undefined, options: [] },
      { type: "udp", port: 5353, backlog: undefined },
    ]);
    const first = files.find((file) => file.is === "listener");
    expect(first?.options.map(({ level, name, value }) => [level, name, Buffer.from(value).toString("hex")])).toEqual([
      [1, 33, "50c30000"],
      [1, 13, "0100000009000000"],
      [1, 20, "020000000000000020a1070000000000"],
      [6, 1, "01000000"],
    ]);
    expect(of("unix")).toMatchObject([
      { type: 1, name: Buffer.from("/tmp/socket"), backlog: 3, file: { mode: 0o140640, uid: 0, gid: 0 } },
      { type: 2, name: Buffer.from("\0abs"), backlog: undefined, file: undefined },
    ]);
    expect(of("socketpair")).toMatchObject([
      { type: 1, side: 0, flags: 0o4002, data: [] },
      { type: 1, side: 1, data: [Buffer.from("to side one")] },
      { type: 2, side: 0, data: [Buffer.from("a"), Buffer.from("bc")] },
      { type: 2, side: 1, data: [] },
    ]);
  });

  test("mappings with advice, and their pages", async () => {
    const { vmas, pages } = await processOf(everything);
    const start = BigInt(`0x${/memory (\w+)/.exec(everything.said)?.[1]}`);
    const advice = vmas
      .filter((vma) => vma.start >= start && vma.end <= start + 64n * 4096n)
      .map((vma) => [Number(vma.start - start) / 4096, Number(vma.end - start) / 4096, ...vma.advice]);
    expect(advice).toEqual([
      [0, 8],
      [8, 16, 10],
      [16, 24],
      [24, 32, 16],
      [32, 40, 18],
      [40, 64],
    ]);
    expect(vmas.find((vma) => vma.start === start)).toMatchObject({ noReserve: true, prot: 3 });
    const mapped = vmas.filter(({ kind }) => "path" in kind && kind.path === "/tmp/mapped").map(({ kind }) => kind);
    expect(mapped).toContainEqual({ is: "shared-file", path: "/tmp/mapped", offset: 0n, size: 8192n, writable: true });
    expect(mapped).toContainEqual({ is: "file", path: "/tmp/mapped", offset: 0n, size: 8192n });
    expect(vmas.filter(({ kind }) => kind.is === "vdso")).toHaveLength(1);
    expect(vmas.some(({ kind }) => kind.is === "anonymous" && kind.growsDown)).toBe(true);
    const pagesFile = await readFile(join(everything.images, "pages-1.img"));
    const run = pages.find((one) => one.start === start);
    expect(pagesFile[run?.offset ?? -1]).toBe(1);
    expectSound(await processOf(everything));
  });

  test("what a fork would not have has no pages", async () => {
    const process = await processOf(everything);
    const start = BigInt(`0x${/memory (\w+)/.exec(everything.said)?.[1]}`);
    const isWiped = (run: { start: bigint }) => run.start >= start + 32n * 4096n && run.start < start + 40n * 4096n;
    expect(process.pages.some(isWiped)).toBe(false);
    const dropped = await dumps.make("droppable");
    const { vmas, pages } = await processOf(dropped);
    const at = BigInt(`0x${/memory (\w+)/.exec(dropped.said)?.[1]}`);
    expect(vmas.find((vma) => vma.start === at)).toMatchObject({ kind: { is: "droppable" }, advice: [] });
    expect(pages.some((run) => run.start === at)).toBe(false);
  });

  test("timers of timer_create", async () => {
    const { timers } = await processOf(await dumps.make("timers"));
    const common = { notify: 0, signal: 10, thread: 0, data: 77n, interval: 0n, value: 0n };
    expect(timers[0]).toEqual({ ...common, id: 1, clock: 1 });
    expect(timers[1]).toMatchObject({ id: 2, clock: 0, notify: 4, thread: 2, interval: 7_000_000_005n });
    expect(timers[1]?.value).toBeGreaterThan(2_000_000_000_000n);
  });

  test("locks on files", async () => {
    const { locks } = await processOf(await dumps.make("locks"));
    expect(locks.toSorted((a, b) => a.fd - b.fd)).toEqual([
      { fd: 3, is: "posix", exclusive: true, start: 10n, bytes: 5n },
      { fd: 4, is: "open", exclusive: false, start: 100n, bytes: 0n },
      { fd: 5, is: "whole", exclusive: true, start: 0n, bytes: 0n },
    ]);
  });

  test("who gets the signals of files", async () => {
    const { owners, files } = await processOf(await dumps.make("owners"));
    expect(owners).toEqual([
      { fd: 3, is: "process", signal: 12, async: true },
      { fd: 5, is: "group", signal: 0, async: false },
    ]);
    expect(files.find(({ is }) => is === "listener")?.flags).toBe(0o4002);
  });

  test("guard pages become advice on mappings of their own", async () => {
    const guard = await dumps.make("guard");
    const process = await processOf(guard);
    const start = BigInt(`0x${/memory (\w+)/.exec(guard.said)?.[1]}`);
    const cut = process.vmas.filter((vma) => vma.advice.includes(102));
    expect(cut.map((vma) => [vma.start - start, vma.end - start])).toEqual([[2n * 4096n, 4n * 4096n]]);
    expectSound(process);
  });

  test("the FPU's state is laid out as XSAVE writes it", async () => {
    const one = await dumps.make("fpu");
    const [size = 0, ...offsets] = /xsave ([\d ]+)/.exec(one.said)?.[1]?.split(" ").map(Number) ?? [];
    const [ymm, bndregs, bndcsr, opmask, zmm_hi256, hi16_zmm, , pkru] = offsets;
    const xsave = { size, offsets: { ymm, bndregs, bndcsr, opmask, zmm_hi256, hi16_zmm, pkru } };
    const context = { ...one.context, xsave: defined(xsave) };
    const { threads } = await processOf({ ...one, context });
    const expected = await readFile(join(one.upper, "tmp/xsave"));
    const got = Buffer.from(threads[0]?.xsave ?? []);
    const valid = expected.readBigUInt64LE(512);
    expect(valid & 0b111n).not.toBe(0n);
    const part = (from: number, bytes: number) =>
      [got, expected].map((area) => area.subarray(from, from + bytes).toString("hex"));
    for (const [from, bytes] of [
      [0, 416],
      [ymm, valid & 4n ? 256 : 0],
      [opmask, valid & 0x20n ? 64 : 0],
      [zmm_hi256, valid & 0x40n ? 512 : 0],
      [hi16_zmm, valid & 0x80n ? 1024 : 0],
    ] as const) {
      const [ours, cpus] = part(from ?? 0, bytes);
      expect(ours).toBe(cpus ?? "");
    }
  });

  test("one end of a pipe, one side of a pair, and a stream that was opened again, are understood", async () => {
    const left = await processOf(await dumps.make("half-pair"));
    const waiting = [Buffer.from("last words")];
    expect(left.files.filter(({ is }) => is === "socketpair")).toMatchObject([{ side: 0, type: 1, data: waiting }]);
    const half = await processOf(await dumps.make("half-pipe"));
    expect(half.files.filter(({ is }) => is === "pipe")).toMatchObject([{ end: "read" }]);
    const again = await processOf(await dumps.make("stdout-again"));
    const streams = again.files.filter((file) => file.is === "stdio");
    expect(streams).toMatchObject([{ stream: 1 }, { stream: 2 }, { stream: 1, flags: 0o104001 }]);
  });
});

/** Without the parts that this CPU does not have. */
function defined(layout: { size: number; offsets: Record<string, number | undefined> }): UnderstandContext["xsave"] {
  const offsets = Object.fromEntries(Object.entries(layout.offsets).filter(([, offset]) => offset));
  return { size: layout.size, offsets };
}
