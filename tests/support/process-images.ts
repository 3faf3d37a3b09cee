/** Processes as `understand` could make them, for tests of what is made of them. */
import fc from "fast-check";
import type { Descriptor, OpenFile, PageRun, ProcessImage, Thread, Vma } from "../../src/checkpoint/compile/process.ts";

const PAGE = 4096n;
const XSAVE_BYTES = 2696;
const LIBRARY = { is: "file", path: "/lib/a.so", offset: 0n, size: 1n << 20n } as const;

export function thread(tid: number, changes: Partial<Thread> = {}): Thread {
  const zero = 0n;
  const registers = {
    ...{ r15: zero, r14: zero, r13: zero, r12: zero, bp: zero, bx: zero, r11: zero, r10: zero, r9: zero, r8: zero },
    ...{ ax: 1n, cx: zero, dx: zero, si: zero, di: zero, ip: 0x401000n, flags: 0x202n, sp: 0x7ffe_0001_0000n },
    ...{ cs: 0x33, ss: 0x2b, fsBase: 0x7f00_0000_0000n, gsBase: zero },
  };
  return {
    ...{ tid, name: "worker", registers, xsave: new Uint8Array(XSAVE_BYTES), xfeatures: 7n, mask: 0n },
    ...{ altStack: undefined, clearChildTid: zero, robustList: undefined, rseq: undefined },
    ...{ schedule: { policy: 0, priority: 0, nice: 0 }, parentDeathSignal: 0 },
    ...changes,
  };
}

export function processImage(changes: Partial<ProcessImage> = {}): ProcessImage {
  const addresses = { startCode: 0x400000n, endCode: 0x401000n, startData: 0x402000n, endData: 0x403000n };
  const limits = { argStart: 0x7ffe_0001_0000n, argEnd: 0x7ffe_0001_0100n, envStart: 0n, envEnd: 0n };
  const brk = { startStack: 0x7ffe_0001_0000n, startBrk: 0x500000n, brk: 0x501000n };
  const user = { uid: 0, euid: 0, suid: 0, fsuid: 0, gid: 0, egid: 0, sgid: 0, fsgid: 0, groups: [] };
  const rights = { effective: 0n, permitted: 0n, inheritable: 0n, bounding: 0n, ambient: 0n, securebits: 0 };
  return {
    ...{
      pid: 2,
      pgid: 2,
      sid: 2,
      mm: { ...addresses, ...limits, ...brk, auxv: [6n, PAGE, 0n, 0n], exe: "/x", dumpable: 1 },
    },
    ...{ vmas: [], pages: [], cwd: "/", umask: 0o22, files: [], descriptors: [], threads: [thread(2)] },
    ...{
      credentials: { ...user, ...rights, noNewPrivs: true },
      signals: [],
      limits: [],
      itimers: [],
      membarrier: 0,
      timers: [],
    },
    ...{ seccomp: [], oomScoreAdj: 0, thpDisabled: false, childSubreaper: false },
    ...{ locks: [], owners: [] },
    ...changes,
  };
}

const kind = fc.constantFrom<Vma["kind"]>(
  { is: "anonymous", growsDown: false },
  { is: "anonymous", growsDown: true },
  { is: "droppable" },
  LIBRARY,
  { is: "shared-file", path: "/data/x", offset: PAGE, size: PAGE, writable: true },
);

/** Mappings anywhere, ascending and apart, each with some pages of its own. */
const memory = fc
  .array(
    fc.record({
      gap: fc.oneof(fc.bigInt(0n, 64n), fc.bigInt(0n, 1n << 31n)),
      pages: fc.oneof(fc.bigInt(1n, 40n), fc.bigInt(1n, 1n << 30n)),
      kind,
      prot: fc.nat(7),
      dumped: fc.nat(4),
    }),
    { maxLength: 12 },
  )
  .chain((parts) => fc.record({ parts: fc.constant(parts), from: fc.bigInt(16n, 1n << 34n) }))
  .map(({ parts, from }) => {
    const vmas: Vma[] = [];
    const pages: PageRun[] = [];
    let at = from * PAGE;
    for (const part of parts) {
      const start = at + part.gap * PAGE;
      const end = start + part.pages * PAGE;
      if (end > 0x7fff_ff00_0000n) break;
      vmas.push({
        start,
        end,
        prot: part.prot,
        kind: part.kind,
        advice: part.dumped === 3 ? [10] : [],
        noReserve: false,
      });
      const count = Math.min(part.dumped, Number(part.pages));
      if (count > 0 && part.kind.is !== "shared-file" && part.kind.is !== "droppable") {
        pages.push({ start, pages: count, file: "pages-1.img", offset: (pages.length * 1) << 20 });
      }
      at = end;
    }
    return { vmas, pages };
  });

const bytes = (most: number) => fc.uint8Array({ maxLength: most });
const flags = fc.constantFrom(0, 0o4000);
const single = fc.oneof(
  fc.record({ is: fc.constant("stdio" as const), stream: fc.constantFrom<0 | 1 | 2>(0, 1, 2), flags }),
  fc.record({
    is: fc.constant("regular" as const),
    path: fc.constant("/data/x"),
    flags: fc.constantFrom(0, 1, 2, 0o2002, 0o100000),
    offset: fc.bigInt(0n, 1n << 40n),
  }),
  fc.record({ is: fc.constant("eventfd" as const), flags, counter: fc.bigInt(0n, 2n ** 64n - 2n) }),
  fc.record({ is: fc.constant("signalfd" as const), flags, mask: fc.bigInt(0n, 2n ** 64n - 1n) }),
  fc.record({
    is: fc.constant("listener" as const),
    flags,
    type: fc.constantFrom("tcp" as const, "udp" as const),
    address: fc.constantFrom(new Uint8Array(4), new Uint8Array(16)),
    port: fc.nat(65535),
    backlog: fc.constantFrom(undefined, 128),
    options: fc.constant([]),
  }),
  fc.record({
    is: fc.constant("unix" as const),
    flags,
    type: fc.constantFrom(1, 2, 5),
    name: fc.constantFrom(new Uint8Array(), Uint8Array.of(0, 1, 2), Buffer.from("/run/s")),
    file: fc.constant(undefined),
    backlog: fc.constant(5),
    options: fc.constant([{ level: 1, name: 2, value: new Uint8Array(4) }]),
  }),
);

/** Files of most kinds, pipes and pairs with one or both ends, and descriptors in any order. */
const files = fc
  .record({
    alone: fc.array(single, { maxLength: 8 }),
    pipes: fc.array(fc.record({ data: bytes(99), ends: fc.nat(2) }), { maxLength: 3 }),
    pairs: fc.array(fc.record({ packets: fc.array(bytes(9), { maxLength: 3 }), sides: fc.nat(2) }), { maxLength: 3 }),
    numbers: fc.uniqueArray(fc.nat(200), { minLength: 40, maxLength: 40 }),
  })
  .map(({ alone, pipes, pairs, numbers }) => {
    const all: OpenFile[] = [...alone];
    pipes.forEach(({ data, ends }, pipe) => {
      if (ends !== 1) all.push({ is: "pipe", pipe, end: "read", flags: 0, data, size: 65536 });
      if (ends !== 0) all.push({ is: "pipe", pipe, end: "write", flags: 0o4000, data: new Uint8Array(), size: 65536 });
    });
    pairs.forEach(({ packets, sides }, pair) => {
      const common = { is: "socketpair", pair, flags: 0, type: 2, options: [] } as const;
      if (sides !== 1) all.push({ ...common, side: 0, data: packets });
      if (sides !== 0) all.push({ ...common, side: 1, data: [] });
    });
    const descriptors: Descriptor[] = numbers
      .slice(0, all.length === 0 ? 0 : all.length + 3)
      .map((fd, i) => ({ fd, file: i % all.length, closeOnExec: fd % 2 === 0 }));
    return { files: all, descriptors: descriptors.sort((a, b) => a.fd - b.fd) };
  });

const fd = fc.nat(63);
const range = fc.bigInt(0n, 1n << 40n);
const claims = fc.record({
  locks: fc.array(
    fc.record({
      fd,
      is: fc.constantFrom("posix" as const, "whole" as const, "open" as const),
      exclusive: fc.boolean(),
      start: range,
      bytes: range,
    }),
    { maxLength: 4 },
  ),
  owners: fc.array(
    fc.record({
      fd,
      is: fc.constantFrom("nobody" as const, "process" as const, "group" as const),
      signal: fc.nat(64),
      async: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
});

const timers = fc.uniqueArray(fc.nat(2 ** 31 - 1), { maxLength: 5 }).chain((ids) =>
  fc.tuple(
    ...ids
      .sort((a, b) => a - b)
      .map((id) =>
        fc.record({
          id: fc.constant(id),
          clock: fc.constantFrom(0, 1, 2, 7, 11),
          notify: fc.constantFrom(0, 1, 2, 4),
          signal: fc.integer({ min: 1, max: 64 }),
          thread: fc.constant(2),
          data: fc.bigInt(0n, 2n ** 64n - 1n),
          interval: range,
          value: range,
        }),
      ),
  ),
);

const threads = fc
  .array(fc.record({ xsave: fc.constantFrom(576, 832, XSAVE_BYTES, 10752) }), { minLength: 1, maxLength: 40 })
  .map((all) => all.map(({ xsave }, i) => thread(2 + i, { xsave: new Uint8Array(xsave) })));
const id = fc.nat(65534);

/** Whole processes. */
export const processImages = fc
  .record({ memory, files, threads, claims, timers, groups: fc.array(id, { maxLength: 20 }), uid: id })
  .map(({ memory: known, files: open, threads: all, groups, uid, claims: held, timers: running }) => {
    const { credentials } = processImage();
    const user = { uid, euid: uid, suid: uid, fsuid: uid, groups };
    return processImage({
      ...known,
      ...open,
      ...held,
      timers: running,
      threads: all,
      credentials: { ...credentials, ...user },
    });
  });
