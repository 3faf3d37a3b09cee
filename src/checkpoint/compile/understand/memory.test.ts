import { describe, expect, test } from "bun:test";
import type { Images } from "../../images/index.ts";
import type { MmEntry, PagemapEntry, VmaEntry } from "../../images/messages/memory.ts";
import { Reasons } from "./context.ts";
import { pageRuns } from "./pages.ts";
import { FileTable } from "./tables.ts";
import { vmas } from "./vmas.ts";

const PAGE = 4096n;
const owner = { uid: 0, euid: 0, signal: 0, pidType: 0, pid: 0 };
const regular = { id: 9, flags: 0, position: 0n, owner, name: "/lib/x.so", size: 99n, mode: 0o100755, buildId: [] };
const NONE = {
  pstree: [],
  inventory: [],
  files: [],
  seccomp: [],
  timens: [],
  pipesData: [],
  packets: [],
  fileLocks: [],
};
const EMPTY: Images = {
  ...NONE,
  ...{ core: new Map(), ids: new Map(), mm: new Map(), pagemap: new Map(), pages: new Map() },
  ...{ fdinfo: new Map(), fs: new Map(), remapped: new Set<number>() },
};

/** A private anonymous mapping from page `from` to page `to`. */
function anonymous(from: bigint, to: bigint, changes: Partial<VmaEntry> = {}): VmaEntry {
  const [start, end] = [from * PAGE, to * PAGE];
  const rest = { advice: undefined, fileFlags: undefined, fd: -1n, file: 0n, offset: 0n };
  return { start, end, prot: 3, flags: 0x22, status: 0x201, ...rest, ...changes };
}

/** What becomes of mappings when /lib/x.so, of 99 bytes, is the file with the id 9. */
function understood(entries: readonly VmaEntry[], remapped: readonly number[] = []) {
  const reasons = new Reasons();
  const fields = { type: 1, id: 9, regular };
  // Only this file's own part is looked at.
  const images = { ...EMPTY, remapped: new Set(remapped), files: [fields as unknown as Images["files"][number]] };
  // Nor of the memory's description anything else.
  const found = vmas({ vmas: entries } as unknown as MmEntry, new FileTable(images, reasons), reasons);
  return { found, refused: reasons.refused };
}

describe("mappings", () => {
  test("are in ascending order, without the kernel's vsyscall page", () => {
    const vsyscall = { ...anonymous(0n, 1n), start: 0xffffffffff600000n, end: 0xffffffffff601000n, status: 0x204 };
    const { found, refused } = understood([anonymous(5n, 6n), vsyscall, anonymous(1n, 2n)]);
    expect(refused).toEqual([]);
    expect(found.map(({ start }) => start / PAGE)).toEqual([1n, 5n]);
  });

  test("of files have their path, offset and size", () => {
    const file = anonymous(1n, 2n, { flags: 2, status: 0x41, file: 9n, offset: PAGE });
    const kind = { is: "file", path: "/lib/x.so", offset: PAGE, size: 99n };
    expect(understood([file])).toMatchObject({ found: [{ kind }], refused: [] });
    const shared = { ...file, flags: 1, status: 0x81, fileFlags: 2 };
    expect(understood([shared]).found[0]?.kind).toMatchObject({ is: "shared-file", writable: true });
    expect(understood([{ ...shared, fileFlags: 0 }]).refused[0]).toEndWith(
      "is mapped writable and was opened for reading",
    );
    expect(understood([{ ...file, file: 8n }]).refused).toEqual([
      "mapping 1000-2000: no file with the id 8 in files.img",
    ]);
    expect(understood([file], [9]).refused).toEqual(["mapping 1000-2000: /lib/x.so was deleted"]);
  });

  test("that are droppable are neither private nor shared, and what the kernel advises itself is not said again", () => {
    const droppable = anonymous(1n, 2n, { flags: 0x28, advice: (1n << 16n) | (1n << 18n) | (1n << 10n) });
    expect(understood([droppable])).toMatchObject({
      found: [{ kind: { is: "droppable" }, advice: [10] }],
      refused: [],
    });
    expect(understood([{ ...droppable, flags: 0x2a }]).found[0]?.kind).toEqual({ is: "droppable" });
    for (const changes of [{ flags: 0xa, status: 0x41 }, { flags: 0x29 }, { flags: 0x128 }]) {
      expect(understood([{ ...droppable, ...changes }]).refused[0]).toStartWith(
        "mapping 1000-2000: unknown kind of mapping",
      );
    }
  });

  test("are refused with what they are", () => {
    const why = (changes: Partial<VmaEntry>) => understood([anonymous(1n, 2n, changes)]).refused.join("; ");
    expect(why({ flags: 0x40022 })).toBe("mapping 1000-2000: huge pages (MAP_HUGETLB)");
    expect(why({ flags: 0x2022 })).toBe("mapping 1000-2000: locked in memory (mlock)");
    expect(why({ flags: 0x21, status: 0x101 })).toBe("mapping 1000-2000: shared memory");
    expect(why({ flags: 0x21, status: 0x501 })).toBe("mapping 1000-2000: System V shared memory");
    expect(why({ status: 0x8201 })).toBe("mapping 1000-2000: a shadow stack");
    expect(why({ flags: 0x80022 })).toBe("mapping 1000-2000: unknown mapping flags 0x80022");
    expect(why({ status: 0x40000201 })).toStartWith("mapping 1000-2000: unknown kind of mapping");
    expect(why({ prot: 15 })).toBe("mapping 1000-2000: unknown protection 0xf");
    expect(why({ advice: 1n << 20n })).toBe("mapping 1000-2000: unknown advice (madvise) 0x100000");
    expect(why({ end: PAGE })).toStartWith("mapping 1000-1000: expected a range of whole pages");
    expect(understood([anonymous(1n, 3n), anonymous(2n, 4n)]).refused).toEqual([
      "mapping 2000-4000: overlaps mapping 1000-3000",
    ]);
  });

  test("are cut where guard pages begin and end, also across several", () => {
    const guard = (from: bigint, to: bigint) => anonymous(from, to, { flags: 0, status: 0x10000, prot: 0 });
    const { found, refused } = understood([
      anonymous(0n, 4n),
      anonymous(4n, 8n, { prot: 1 }),
      guard(3n, 6n),
      guard(7n, 8n),
    ]);
    expect(refused).toEqual([]);
    expect(
      found.map(({ start, end, prot, advice }) => [Number(start / PAGE), Number(end / PAGE), prot, ...advice]),
    ).toEqual([
      [0, 3, 3],
      [3, 4, 3, 102],
      [4, 6, 1, 102],
      [6, 7, 1],
      [7, 8, 1, 102],
    ]);
    expect(understood([anonymous(0n, 1n), guard(1n, 2n)]).refused).toEqual([
      "mapping 1000-2000: guard pages where no mapping is",
    ]);
  });

  test("of files keep their offset when they are cut", () => {
    const guard = anonymous(2n, 3n, { flags: 0, status: 0x10000 });
    const file = anonymous(1n, 4n, { flags: 2, status: 0x41, file: 9n, offset: PAGE });
    const offsets = understood([file, guard]).found.map(({ kind }) => "offset" in kind && kind.offset / PAGE);
    expect(offsets).toEqual([1n, 2n, 3n]);
  });
});

describe("pages", () => {
  function runs(
    entries: readonly Partial<PagemapEntry>[],
    filePages: number,
    mapped = [anonymous(0n, 4n), anonymous(4n, 8n)],
  ) {
    const reasons = new Reasons();
    const all = entries.map((entry) => ({
      compatPages: 0,
      inParent: undefined,
      flags: 4,
      pages: 1n,
      address: 0n,
      ...entry,
    }));
    const images = {
      ...EMPTY,
      pagemap: new Map([[2, { pagesId: 1, entries: all }]]),
      pages: new Map([[1, filePages * 4096]]),
    };
    const found = pageRuns(images, 2, { vmas: understood(mapped).found, mapped }, reasons);
    return {
      runs: found.map(({ start, pages, offset }) => [Number(start / PAGE), pages, offset / 4096]),
      refused: reasons.refused,
    };
  }

  test("are cut at the borders of mappings; their offsets go on", () => {
    expect(
      runs(
        [
          { address: PAGE, pages: 1n },
          { address: 3n * PAGE, pages: 4n, flags: 6 },
        ],
        5,
      ),
    ).toEqual({
      runs: [
        [1, 1, 0],
        [3, 1, 1],
        [4, 3, 2],
      ],
      refused: [],
    });
  });

  test("of zeros are not in the file, and those of the vdso are not restored", () => {
    const vdso = anonymous(4n, 6n, { status: 0x209, prot: 5 });
    const entries = [{ address: 0n, pages: 2n, flags: 0 }, { address: 4n * PAGE, pages: 2n }, { address: 7n * PAGE }];
    expect(runs(entries, 3, [anonymous(0n, 4n), vdso, anonymous(6n, 8n)])).toEqual({ runs: [[7, 1, 2]], refused: [] });
  });

  test("are refused where the images do not fit together", () => {
    const first = (entries: readonly Partial<PagemapEntry>[], pages: number) => runs(entries, pages).refused[0];
    expect(first([{ flags: 1 }], 1)).toBe("pagemap-2.img: pages at 0x0 are not in these images (flags 0x1)");
    expect(first([{ inParent: true }], 1)).toStartWith("pagemap-2.img: pages at 0x0 are not in these images");
    expect(first([{ address: 9n * PAGE }], 1)).toBe("pagemap-2.img: pages at 0x9000 where no mapping is");
    expect(first([{ pages: 1n << 60n }], 1)).toStartWith("pages-1.img: expected 4722366482869645213696 bytes or more");
    expect(first([{ pages: 0n }], 0)).toStartWith("pagemap-2.img: expected pages in ascending order");
    expect(first([{ address: PAGE }, {}], 2)).toStartWith("pagemap-2.img: expected pages in ascending order");
    expect(first([{}], 2)).toBe("pages-1.img: expected 4096 bytes, got 8192");
    expect(runs([], 0).refused).toEqual([]);
  });
});
