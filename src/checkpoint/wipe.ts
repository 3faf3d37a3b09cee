/**
 * What a dumped process has asked no fork of it to have (MADV_WIPEONFORK) is zeros in its checkpoint, so that whichever
 * engine restores it, it sees that it is another one: this is how BoringSSL and others know to renew their random numbers.
 */
import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import { entriesOf } from "./files.ts";
import { decodeImage, decodeWithHead, FRAMES, PAGEMAP_HEAD } from "./images/index.ts";

const MADV_WIPEONFORK = 18n;
const PAGE = 4096n;
/** Of a pagemap's entry: its pages are in the pages file. */
const PRESENT = 4;
const ZEROS = new Uint8Array(1 << 20);

interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

/**
 * Overwrites such memory in CRIU's images; images that are not understood are left to who has to understand them.
 * @throws what the file system throws, unless a file is missing.
 */
export async function wipeUnforked(images: string): Promise<void> {
  for (const name of await entriesOf(images)) {
    const pid = /^mm-(\d+)\.img$/.exec(name)?.[1];
    if (pid === undefined) continue;
    try {
      const wiped = await wipedRanges(join(images, name), name);
      if (wiped.length > 0) await wipe(images, `pagemap-${pid}.img`, wiped);
    } catch (error) {
      if (!(error instanceof ThawError) && !isMissing(error)) throw error;
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

async function wipedRanges(path: string, name: string): Promise<readonly Range[]> {
  const entries = decodeImage(await readFile(path), name, FRAMES.mm);
  const ranges = entries.flatMap(({ entry }) =>
    entry.vmas.filter(({ advice = 0n }) => (advice >> MADV_WIPEONFORK) & 1n),
  );
  return united(ranges);
}

/** In ascending order and apart, whatever the images say. */
function united(ranges: readonly Range[]): Range[] {
  const apart: Range[] = [];
  for (const range of ranges.toSorted((a, b) => (a.start < b.start ? -1 : 1))) {
    const last = apart.at(-1);
    if (last === undefined || range.start > last.end) apart.push(range);
    else if (range.end > last.end) apart[apart.length - 1] = { start: last.start, end: range.end };
  }
  return apart;
}

/** The index of the first range that ends after `address`. */
function firstAfter(ranges: readonly Range[], address: bigint): number {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.end ?? 0n) <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

async function wipe(images: string, pagemap: string, wiped: readonly Range[]): Promise<void> {
  const { head, entries } = decodeWithHead(
    await readFile(join(images, pagemap)),
    pagemap,
    PAGEMAP_HEAD,
    FRAMES.pagemap,
  );
  // Images may come from elsewhere: what is written to lies in their own directory.
  const file = await open(join(images, `pages-${head.pagesId}.img`), constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const bytes = BigInt((await file.stat()).size);
    let offset = 0n;
    for (const { address, pages = 0n, flags = 0 } of entries) {
      if ((flags & PRESENT) === 0) continue;
      const length = pages * PAGE;
      // Nothing is written that is not there, whatever is said of it.
      if (offset + length > bytes) break;
      for (const { from, to } of shared(wiped, { start: address, end: address + length }))
        await zero(file, Number(offset + (from - address)), Number(to - from));
      offset += length;
    }
  } finally {
    await file.close();
  }
}

function* shared(ranges: readonly Range[], { start, end }: Range): Generator<{ from: bigint; to: bigint }> {
  for (let i = firstAfter(ranges, start); i < ranges.length; i++) {
    const range = ranges[i];
    if (range === undefined || range.start >= end) return;
    yield { from: range.start > start ? range.start : start, to: range.end < end ? range.end : end };
  }
}

async function zero(file: Awaited<ReturnType<typeof open>>, from: number, bytes: number): Promise<void> {
  for (let at = 0; at < bytes; at += ZEROS.length) {
    await file.write(ZEROS, 0, Math.min(ZEROS.length, bytes - at), from + at);
  }
}
