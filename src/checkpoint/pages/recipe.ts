/**
 * A recipe says where the pages of one of CRIU's pages files are: a list of runs, each a piece of a pack or zeros.
 * All numbers are in pages of 4096 bytes but the sizes of the format itself. The launcher reads the same bytes
 * (native/launcher/gather.c):
 *
 *     u32 magic "TPRC", u32 version, u64 pages, u32 packs, u32 runs
 *     packs x 32 bytes     SHA-256 of each pack, its file's name; the first is the one that the file became
 *     runs x               u64 first page in the pack, u32 pages, u32 number of the pack (2^32 - 1: zeros)
 */
import { ThawError } from "../../common/errors.ts";

/** Bytes of a page. */
export const PAGE = 4096;

/** A piece of a pages file. Runs follow each other without gaps. */
export interface Run {
  /** Hexadecimal SHA-256 of the pack, or undefined for zeros. */
  readonly pack: string | undefined;
  /** First page in the pack; 0 for zeros. */
  readonly first: number;
  readonly pages: number;
}

/** Where all pages of a pages file are. */
export interface Recipe {
  readonly pages: number;
  /** The pack that the file became: its pages are where they were, and zeros where they are elsewhere. */
  readonly own: string;
  readonly runs: readonly Run[];
}

const MAGIC = 0x43525054;
const VERSION = 1;
const HEADER = 24;
const DIGEST = 32;
const RUN = 16;
const ZEROS = 0xffffffff;

/** A TB of memory; beyond it a number is a lie. */
const MOST_PAGES = 2 ** 28;

/** The recipe's file. */
export function encodeRecipe({ pages, own, runs }: Recipe): Uint8Array {
  const packs = [...new Set([own, ...runs.flatMap(({ pack }) => pack ?? [])])];
  const bytes = new Uint8Array(HEADER + packs.length * DIGEST + runs.length * RUN);
  const view = new DataView(bytes.buffer);
  for (const [index, value] of [MAGIC, VERSION].entries()) view.setUint32(index * 4, value, true);
  view.setBigUint64(8, BigInt(pages), true);
  view.setUint32(16, packs.length, true);
  view.setUint32(20, runs.length, true);
  for (const [index, pack] of packs.entries()) bytes.set(Buffer.from(pack, "hex"), HEADER + index * DIGEST);
  let at = HEADER + packs.length * DIGEST;
  for (const run of runs) {
    view.setBigUint64(at, BigInt(run.first), true);
    view.setUint32(at + 8, run.pages, true);
    view.setUint32(at + 12, run.pack === undefined ? ZEROS : packs.indexOf(run.pack), true);
    at += RUN;
  }
  return bytes;
}

/** @throws ThawError INVALID when it is damaged. */
export function decodeRecipe(bytes: Uint8Array): Recipe {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < HEADER) throw damaged(`${bytes.length} bytes`);
  const [magic, version] = [view.getUint32(0, true), view.getUint32(4, true)];
  if (magic !== MAGIC || version !== VERSION) throw damaged(`magic ${magic.toString(16)}, version ${version}`);
  const pages = Number(view.getBigUint64(8, true));
  const [packCount, runCount] = [view.getUint32(16, true), view.getUint32(20, true)];
  if (bytes.length !== HEADER + packCount * DIGEST + runCount * RUN) {
    throw damaged(`${bytes.length} bytes for ${packCount} packs and ${runCount} runs`);
  }
  const packs = Array.from({ length: packCount }, (_, index) => {
    const at = HEADER + index * DIGEST;
    return Buffer.from(bytes.subarray(at, at + DIGEST)).toString("hex");
  });
  const runs = Array.from({ length: runCount }, (_, index) => {
    return decodeRun(view, HEADER + packCount * DIGEST + index * RUN, packs);
  });
  const total = runs.reduce((sum, run) => sum + run.pages, 0);
  if (total !== pages || pages > MOST_PAGES) throw damaged(`runs of ${total} pages for ${pages}`);
  const [own] = packs;
  if (own === undefined) throw damaged("no packs");
  return { pages, own, runs };
}

/**
 * Where `pages` pages from page `first` of the pages file on are, in order.
 * @throws ThawError INVALID when the file does not have them.
 */
export function runsOf(recipe: Recipe, first: number, pages: number): Run[] {
  if (first < 0 || pages < 0 || first + pages > recipe.pages) {
    throw new ThawError("INVALID", `pages ${first} to ${first + pages}: the pages file has ${recipe.pages}`);
  }
  const found: Run[] = [];
  let at = 0;
  for (const run of recipe.runs) {
    const [from, to] = [Math.max(first, at), Math.min(first + pages, at + run.pages)];
    if (from < to) found.push({ ...run, first: run.pack === undefined ? 0 : run.first + from - at, pages: to - from });
    at += run.pages;
    if (at >= first + pages) break;
  }
  return found;
}

function decodeRun(view: DataView, at: number, packs: readonly string[]): Run {
  const first = Number(view.getBigUint64(at, true));
  const [pages, pack] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)];
  if (pages === 0 || first + pages > MOST_PAGES) throw damaged(`a run of ${pages} pages at ${first}`);
  if (pack === ZEROS) return { pack: undefined, first: 0, pages };
  const name = packs[pack];
  if (name === undefined) throw damaged(`pack ${pack} of ${packs.length}`);
  return { pack: name, first, pages };
}

function damaged(what: string): ThawError {
  return new ThawError("INVALID", `page recipe: ${what}`, {
    hint: "The checkpoint is damaged; remove it (thaw checkpoint rm) and make it again.",
  });
}
