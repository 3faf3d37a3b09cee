/** Mappings, pages and what is known of them as tables. */
import type { DataPool } from "./data-pool.ts";
import { type AdviceRecord, type HugeRecord, type RunRecord, VmaKind, type VmaRecord } from "./generated/tables.ts";
import type { PageRun, Vma } from "./process.ts";
import { Refusal } from "./refusal.ts";

export const PAGE = 4096n;
const HUGE = 2n * 1024n * 1024n;
/** Of a huge page's 512 pages so many must have been dumped for it to be made one: a template holds the rest for nothing. */
const DENSE = 460;
/** Of ten pages of a mapping so many must have been dumped for all of it to be read into huge pages. */
const WHOLE_TENTHS = 8;
/** See madvise(2). */
const MADV_HUGEPAGE = 14;
const MADV_NOHUGEPAGE = 15;

const MAP = {
  shared: 0x01,
  private: 0x02,
  droppable: 0x08,
  anonymous: 0x20,
  growsDown: 0x0100,
  noReserve: 0x4000,
} as const;

/** Where pages of the images really lie: a part of a run in a pack. */
export interface Placed {
  /** Index in the list of packs that the restorer is given. */
  readonly pack: number;
  readonly offset: number;
  readonly pages: number;
}

/** Finds pages; runs of zero pages are left out, with their number of pages and no pack. */
export type Locate = (run: PageRun) => readonly (Placed | { readonly pack: undefined; readonly pages: number })[];

export function emitVmas(vmas: readonly Vma[], runs: readonly RunRecord[], data: DataPool): VmaRecord[] {
  let next = 0;
  return vmas.flatMap((vma) => {
    const shape = shapeOf(vma, data);
    if (shape === undefined) return [];
    while (next < runs.length && (runs[next]?.address ?? 0n) < vma.start) next++;
    const filled = (runs[next]?.address ?? vma.end) < vma.end;
    const { start, end, prot } = vma;
    const flags = shape.flags | (vma.noReserve ? MAP.noReserve : 0);
    return [{ start, end, prot, ...shape, flags, filled: filled || shape.openedToWrite ? 1 : 0 }];
  });
}

function shapeOf({ kind }: Vma, data: DataPool) {
  switch (kind.is) {
    case "anonymous": {
      const grows = kind.growsDown ? MAP.growsDown : 0;
      const which = kind.growsDown ? VmaKind.growsDown : VmaKind.anonymous;
      return { kind: which, flags: MAP.private | MAP.anonymous | grows, path: 0, offset: 0n, openedToWrite: false };
    }
    case "droppable": {
      const flags = MAP.droppable | MAP.anonymous;
      return { kind: VmaKind.droppable, flags, path: 0, offset: 0n, openedToWrite: false };
    }
    case "file":
      return {
        kind: VmaKind.file,
        flags: MAP.private,
        path: data.text(kind.path),
        offset: kind.offset,
        openedToWrite: false,
      };
    case "shared-file":
      return {
        kind: VmaKind.fileLate,
        flags: MAP.shared,
        path: data.text(kind.path),
        offset: kind.offset,
        openedToWrite: kind.writable,
      };
    default:
      return undefined;
  }
}

/** Where arch_prctl(ARCH_MAP_VDSO_64) puts the kernel's pages: the lowest of them; 0 when the process has none. */
export function vdsoAt(vmas: readonly Vma[]): bigint {
  return vmas.find(({ kind }) => kind.is === "vvar" || kind.is === "vdso")?.start ?? 0n;
}

export function emitRuns(pages: readonly PageRun[], locate: Locate): RunRecord[] {
  return pages.flatMap((run) => {
    let address = run.start;
    return locate(run).flatMap((part) => {
      const from = address;
      const bytes = BigInt(part.pages) * PAGE;
      address += bytes;
      return part.pack === undefined ? [] : [{ address: from, offset: BigInt(part.offset), bytes, pack: part.pack }];
    });
  });
}

/** Memory that is worth huge pages: mappings that were dumped nearly whole, and dense parts of others. */
export function emitHuge(vmas: readonly Vma[], runs: readonly RunRecord[]): HugeRecord[] {
  const found: HugeRecord[] = [];
  let first = 0;
  for (const { start, end, kind, advice } of vmas) {
    if (kind.is !== "anonymous" || kind.growsDown || end - start < HUGE) continue;
    while (first < runs.length && endOf(runs[first]) <= start) first++;
    const isDecided = advice.includes(MADV_HUGEPAGE) || advice.includes(MADV_NOHUGEPAGE);
    const pages = pagesWithin(runs, first, start, end);
    if (!isDecided && pages * 10 >= Number((end - start) / PAGE) * WHOLE_TENTHS) {
      found.push({ start, bytes: end - start, whole: 1 });
    } else if (!advice.includes(MADV_NOHUGEPAGE)) found.push(...denseParts(start, end, runs, first));
  }
  return found;
}

function denseParts(start: bigint, end: bigint, runs: readonly RunRecord[], from: number): HugeRecord[] {
  const found: HugeRecord[] = [];
  let first = from;
  for (let at = (start + HUGE - 1n) & -HUGE; at + HUGE <= end; at += HUGE) {
    while (first < runs.length && endOf(runs[first]) <= at) first++;
    if (pagesWithin(runs, first, at, at + HUGE) < DENSE) continue;
    const last = found.at(-1);
    if (last && last.start + last.bytes === at) found[found.length - 1] = { ...last, bytes: last.bytes + HUGE };
    else found.push({ start: at, bytes: HUGE, whole: 0 });
  }
  return found;
}

function endOf(run: RunRecord | undefined): bigint {
  return run ? run.address + run.bytes : 0n;
}

function pagesWithin(runs: readonly RunRecord[], first: number, start: bigint, end: bigint): number {
  let bytes = 0n;
  for (let i = first; i < runs.length; i++) {
    const run = runs[i];
    if (!run || run.address >= end) break;
    const from = run.address > start ? run.address : start;
    const to = endOf(run) < end ? endOf(run) : end;
    if (to > from) bytes += to - from;
  }
  return Number(bytes / PAGE);
}

export function emitAdvice(vmas: readonly Vma[]): AdviceRecord[] {
  return vmas.flatMap(({ start, end, advice }) =>
    advice.map((value) => ({ start, bytes: end - start, advice: value })),
  );
}

/** From here on holes are looked for: above all that a program or the launcher maps low, below where the kernel begins. */
const FIRST_HOLE = 0x2000_0000_0000n;
const LAST_HOLE = 0x5000_0000_0000n;
const MARGIN = 0x10_0000n;

/** A range of `bytes` that no mapping touches. @throws Refusal when there is none. */
export function findHole(vmas: readonly Vma[], bytes: bigint): bigint {
  let at = FIRST_HOLE;
  for (const { start, end } of vmas) {
    if (end + MARGIN <= at) continue;
    if (start >= at + bytes + MARGIN) break;
    at = (end + 2n * MARGIN) & -MARGIN;
  }
  if (at + bytes > LAST_HOLE) throw new Refusal("memory: no room for the restorer between the mappings");
  return at;
}
