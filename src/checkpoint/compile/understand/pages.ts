/** Where the pages of the mappings stand in the pages file. */
import type { Images } from "../../images/index.ts";
import type { VmaEntry } from "../../images/messages/memory.ts";
import type { PageRun, Vma } from "../process.ts";
import { hex, type Reasons } from "./context.ts";

const PAGE = 4096n;
const MADV_WIPEONFORK = 18;
/** Flags of a pagemap's entry. */
const FLAG = { parent: 1, lazy: 2, present: 4 } as const;

/** The pages of each mapping; those of the kernel's own (vdso) are not restored. `mapped`: all mappings of the images. */
export function pageRuns(
  images: Images,
  pid: number,
  { vmas, mapped }: { vmas: readonly Vma[]; mapped: readonly VmaEntry[] },
  reasons: Reasons,
): PageRun[] {
  const pagemap = images.pagemap.get(pid);
  if (pagemap === undefined) {
    reasons.refuse(`pagemap-${pid}.img is missing`);
    return [];
  }
  const name = `pagemap-${pid}.img`;
  const file = `pages-${pagemap.pagesId}.img`;
  const bytes = BigInt(images.pages.get(pagemap.pagesId) ?? 0);
  const runs: PageRun[] = [];
  let [offset, after] = [0n, 0n];
  const search = new Ascending(vmas);
  for (const { address, pages, flags, inParent } of pagemap.entries) {
    const length = (pages ?? 0n) * PAGE;
    if (pages === undefined || flags === undefined || inParent !== undefined || flags & ~(FLAG.lazy | FLAG.present)) {
      reasons.refuse(`${name}: pages at ${hex(address)} are not in these images (flags ${hex(flags ?? 0)})`);
      return runs;
    }
    if (address < after || address % PAGE !== 0n || pages === 0n) {
      reasons.refuse(`${name}: expected pages in ascending order, got ${pages} at ${hex(address)}`);
      return runs;
    }
    after = address + length;
    // What is there and not in the pages file is a page of zeros.
    if ((flags & FLAG.present) === 0) continue;
    if (offset + length > bytes) {
      reasons.refuse(`${file}: expected ${offset + length} bytes or more, got ${bytes}`);
      return runs;
    }
    for (const run of search.pieces(address, after)) {
      if (run.vma === undefined) {
        // A mapping that is refused has said so itself.
        if (mapped.some(({ start, end }) => start <= run.start && run.start < end)) continue;
        reasons.refuse(`${name}: pages at ${hex(run.start)} where no mapping is`);
        return runs;
      }
      if (!comesBack(run.vma)) continue;
      const at = Number(offset + (run.start - address));
      runs.push({ start: run.start, pages: Number((run.end - run.start) / PAGE), file, offset: at });
    }
    offset += length;
  }
  if (offset !== bytes) reasons.refuse(`${file}: expected ${offset} bytes, got ${bytes}`);
  return runs;
}

/**
 * Not the kernel's own (vdso), nor what a fork would not have: a process that asked for it (MADV_WIPEONFORK) relies on
 * zeros to know that it is another one and must renew its random numbers, and so are two that are restored.
 */
function comesBack({ kind, advice }: Vma): boolean {
  return kind.is !== "vdso" && kind.is !== "vvar" && kind.is !== "droppable" && !advice.includes(MADV_WIPEONFORK);
}

/** Finds the mappings of ranges that are asked for in ascending order. */
class Ascending {
  readonly #vmas: readonly Vma[];
  #next = 0;

  constructor(vmas: readonly Vma[]) {
    this.#vmas = vmas;
  }

  /** Cuts a range at the mappings' borders; the last piece has none when it lies outside of all. */
  *pieces(start: bigint, end: bigint): Generator<{ start: bigint; end: bigint; vma: Vma | undefined }> {
    for (let at = start; at < end; ) {
      const vma = this.#at(at);
      const until = vma === undefined || vma.end > end ? end : vma.end;
      yield { start: at, end: until, vma };
      at = until;
    }
  }

  #at(address: bigint): Vma | undefined {
    let vma = this.#vmas[this.#next];
    while (vma !== undefined && vma.end <= address) {
      this.#next += 1;
      vma = this.#vmas[this.#next];
    }
    return vma !== undefined && vma.start <= address ? vma : undefined;
  }
}
