/** Finding pages that are stored already: pure comparisons of hashes. */
import type { Extent } from "./holes.ts";
import { ZERO } from "./scan.ts";

/** A pack by the hashes of its pages; ZERO where it has none. */
export interface HashedPack {
  readonly name: string;
  readonly hashes: Float64Array;
}

/** Pages of a new file that a pack seems to have. */
export interface Match {
  /** First page in the new file. */
  readonly first: number;
  readonly pack: string;
  /** First page in the pack. */
  readonly packFirst: number;
  readonly pages: number;
}

/** Shorter ones are not worth a read of their own. */
const SHORTEST = 4;

/** The runs of zeros. */
export function zeroRuns(hashes: Float64Array): Extent[] {
  const runs: Extent[] = [];
  for (let first = 0; first < hashes.length; first++) {
    if (hashes[first] !== ZERO) continue;
    let end = first + 1;
    while (hashes[end] === ZERO) end++;
    runs.push({ first, pages: end - first });
    first = end;
  }
  return runs;
}

/** Looks hashes of a new file up in packs, one pack after the other; `matches` are in the file's order. */
export class Matcher {
  readonly #hashes: Float64Array;
  readonly #pageOf = new Map<number, number>();
  /** Where each page was found: the number of the pack, and the page there. */
  readonly #pack: Int32Array;
  readonly #page: Int32Array;
  readonly #packs: HashedPack[] = [];

  constructor(hashes: Float64Array) {
    this.#hashes = hashes;
    this.#pack = new Int32Array(hashes.length).fill(-1);
    this.#page = new Int32Array(hashes.length);
    for (const [page, hash] of hashes.entries()) if (hash !== ZERO) this.#pageOf.set(hash, page);
  }

  /** Pages that the packs asked before have stay theirs, so the best are asked first. */
  look(pack: HashedPack): void {
    let known = false;
    for (const [page, hash] of pack.hashes.entries()) {
      const mine = hash === ZERO ? undefined : this.#pageOf.get(hash);
      if (mine === undefined || this.#pack[mine] !== -1) continue;
      if (!known) this.#packs.push(pack);
      known = true;
      this.#pack[mine] = this.#packs.length - 1;
      this.#page[mine] = page;
    }
  }

  matches(): Match[] {
    const found: Match[] = [];
    for (let first = 0; first < this.#hashes.length; ) {
      const match = this.#matchAt(first);
      if (match !== undefined) found.push(match);
      first += match?.pages ?? 1;
    }
    return found;
  }

  /** A page that the new file has more than once was found for one of them, and is so for all. */
  #matchAt(first: number): Match | undefined {
    const known = this.#pageOf.get(this.#hashes[first] ?? ZERO) ?? -1;
    const pack = this.#packs[this.#pack[known] ?? -1];
    if (pack === undefined) return undefined;
    const packFirst = this.#page[known] ?? 0;
    let pages = 1;
    while (this.#continues(pack, first + pages, packFirst + pages)) pages++;
    return pages < SHORTEST ? undefined : { first, pack: pack.name, packFirst, pages };
  }

  #continues(pack: HashedPack, page: number, packPage: number): boolean {
    const hash = this.#hashes[page];
    return hash !== undefined && hash !== ZERO && hash === pack.hashes[packPage];
  }
}
