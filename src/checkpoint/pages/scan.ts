/** Reading pages files: what each page is, by its hash, and whether two files have the same pages. */
import { type FileHandle, open } from "node:fs/promises";
import { ThawError } from "../../common/errors.ts";
import { PAGE } from "./recipe.ts";

/** In place of a hash: the page is all zeros. */
export const ZERO = -1;

/** Pages that are read at once. Between two such reads others get their turn. */
const CHUNK_PAGES = 256;

/** Bits of a hash that a double holds exactly. */
const HASH_BITS = 52;

const ZERO_PAGE = Buffer.alloc(PAGE);

/**
 * A hash of 52 bits for each page of a file, or ZERO. It only finds candidates: whoever relies on two pages being
 * equal compares them.
 * @throws ThawError CHECKPOINT_FAILED when the file is no whole number of pages.
 */
export async function scanPages(file: string): Promise<Float64Array> {
  const handle = await open(file, "r");
  try {
    const { size } = await handle.stat();
    if (size % PAGE !== 0) throw new ThawError("CHECKPOINT_FAILED", `${file}: ${size} bytes are no whole pages`);
    const hashes = new Float64Array(size / PAGE);
    const buffer = Buffer.allocUnsafe(CHUNK_PAGES * PAGE);
    for (let first = 0; first < hashes.length; first += CHUNK_PAGES) {
      const pages = Math.min(CHUNK_PAGES, hashes.length - first);
      await readExactly(handle, buffer, first, pages);
      for (let page = 0; page < pages; page++) hashes[first + page] = hashOf(buffer, page * PAGE);
    }
    return hashes;
  } finally {
    await handle.close();
  }
}

/** Whether `pages` pages of one file, from page `first` on, are those of another from `otherFirst` on. */
export async function samePages(
  file: FileHandle,
  first: number,
  other: FileHandle,
  otherFirst: number,
  pages: number,
): Promise<boolean> {
  const [mine, theirs] = [Buffer.allocUnsafe(CHUNK_PAGES * PAGE), Buffer.allocUnsafe(CHUNK_PAGES * PAGE)];
  for (let at = 0; at < pages; at += CHUNK_PAGES) {
    const count = Math.min(CHUNK_PAGES, pages - at);
    await readExactly(file, mine, first + at, count);
    await readExactly(other, theirs, otherFirst + at, count);
    if (mine.compare(theirs, 0, count * PAGE, 0, count * PAGE) !== 0) return false;
  }
  return true;
}

async function readExactly(handle: FileHandle, buffer: Buffer, first: number, pages: number): Promise<void> {
  const { bytesRead } = await handle.read(buffer, 0, pages * PAGE, first * PAGE);
  if (bytesRead !== pages * PAGE) {
    throw new ThawError("CHECKPOINT_FAILED", `expected ${pages} pages at ${first}, read ${bytesRead} bytes`);
  }
}

function hashOf(buffer: Buffer, at: number): number {
  const page = buffer.subarray(at, at + PAGE);
  // Most pages of zeros, and few others, begin with a zero: comparing all of the others would cost more than hashing.
  if (page[0] === 0 && page.equals(ZERO_PAGE)) return ZERO;
  return Number(BigInt.asUintN(HASH_BITS, Bun.hash.xxHash3(page)));
}
