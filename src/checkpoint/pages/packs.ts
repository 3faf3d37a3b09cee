/**
 * Packs: files of memory pages, each named by its SHA-256, that checkpoints share. A pack is the pages file that CRIU
 * wrote, with holes where pages are zeros or are in another pack already: nothing is copied when one is made, and one
 * with holes of zeros alone is still CRIU's file. Every checkpoint that needs a pack has a hard link to it in its own
 * directory, so the file system counts the users; `<data>/packs` has one link more, by which others find it, and beside
 * it the hashes of its pages. What only that link keeps is removed.
 */
import { linkSync, statSync, unlinkSync } from "node:fs";
import { link, mkdir, open, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../common/errors.ts";
import { type DigestedFile, digestFile, entriesOf } from "../files.ts";
import { type Extent, punchHoles, writeZeros } from "./holes.ts";
import { type Match, Matcher, zeroRuns } from "./match.ts";
import { encodeRecipe, PAGE, type Run } from "./recipe.ts";
import { samePages, scanPages, ZERO } from "./scan.ts";

/** The hashes of CRIU's pages files in a checkpoint's directory, by the files' paths in it. */
export type Scans = Map<string, Float64Array>;

/** CRIU's pages files. */
export const PAGES_FILE = /^pages-.*\.img$/;

/** Where a checkpoint has its recipes and the packs that it needs. */
export const RECIPES = "pages";
export const PACKS = "packs";

const HASHES = ".pages";

/** Below this part of a file nothing is shared: it would no longer be a file that CRIU can read. */
const WORTH_SHARING = 1 / 8;

/** Hashes that are read for one new pages file, newest packs first: those of 128 GB of memory. */
const MOST_HASH_BYTES = 256 * 1024 * 1024;

/** Packs of others that one pages file needs: whoever reads a checkpoint opens them all, and has room for 256. */
const MOST_PACKS = 100;

/** The packs of a data directory. */
export class PackStore {
  readonly #directory: string;

  /** @param directory absolute; made when it is needed, on the file system of the checkpoints. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Gives the room of zeros in a checkpoint's pages files back; they are read as before. */
  async makeSparse(checkpoint: string): Promise<Scans> {
    const scans: Scans = new Map();
    for (const name of (await entriesOf(join(checkpoint, "images"))).filter((entry) => PAGES_FILE.test(entry)).sort()) {
      const hashes = await scanPages(join(checkpoint, "images", name));
      await punchHoles(join(checkpoint, "images", name), zeroRuns(hashes));
      scans.set(`images/${name}`, hashes);
    }
    return scans;
  }

  /**
   * Writes a recipe for each pages file. One that has much in common with other packs gives those pages up and is a
   * pack from then on, which CRIU cannot read: see `gather`.
   * @returns the scans by the files' new paths, and the digests of all packs.
   */
  async share(checkpoint: string, scans: Scans): Promise<{ scans: Scans; digests: Map<string, DigestedFile> }> {
    const digests = new Map<string, DigestedFile>();
    const moved: Scans = new Map();
    for (const folder of [RECIPES, PACKS]) await mkdir(join(checkpoint, folder), { recursive: true, mode: 0o700 });
    for (const [path, hashes] of scans) {
      const file = join(checkpoint, path);
      const matches = await this.#worthwhile(file, hashes);
      const taken = await this.#take(checkpoint, file, hashes, matches, digests);
      const digest = await digestFile(file);
      const pack = `${PACKS}/${digest.sha256}`;
      const recipe = { pages: hashes.length, own: digest.sha256, runs: recipeRuns(hashes, taken, digest.sha256) };
      await writeFile(join(checkpoint, RECIPES, path.replace(/^.*\//, "")), encodeRecipe(recipe), { mode: 0o600 });
      await linkOver(file, join(checkpoint, pack));
      digests.set(pack, digest);
      if (taken.length === 0) digests.set(path, digest);
      else await rm(file);
      moved.set(taken.length === 0 ? path : pack, hashes);
    }
    return { scans: moved, digests };
  }

  /** Lets others find a checkpoint's own packs. One that is here already takes the place of the checkpoint's. */
  async offer(checkpoint: string, files: readonly (DigestedFile & { path: string })[], scans: Scans): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const { path, sha256 } of files) {
      const hashes = scans.get(path);
      if (hashes === undefined || hashes.every((hash) => hash === ZERO)) continue;
      const [file, pack] = [join(checkpoint, path), join(this.#directory, sha256)];
      if (await linkNew(file, pack)) {
        const bytes = new Uint8Array(hashes.buffer, hashes.byteOffset, hashes.byteLength);
        await writeFile(`${pack}${HASHES}`, bytes, { mode: 0o600 });
      } else if (await equal(file, pack, hashes.length)) {
        await linkOver(pack, file);
      }
    }
  }

  /** Removes packs that no checkpoint needs. @returns their names. */
  async sweep(): Promise<string[]> {
    const removed: string[] = [];
    const entries = await entriesOf(this.#directory);
    for (const name of entries) {
      const pack = join(this.#directory, name.endsWith(HASHES) ? name.slice(0, -HASHES.length) : name);
      // At once, without a wait in between: nobody may link to it after it was found unused.
      const links = statSync(pack, { throwIfNoEntry: false })?.nlink ?? 0;
      if (links > 1) continue;
      unlinkSync(join(this.#directory, name));
      if (!name.endsWith(HASHES)) removed.push(name);
    }
    return removed;
  }

  /** What other packs have of a file, if that is much; compared byte by byte. */
  async #worthwhile(file: string, hashes: Float64Array): Promise<Match[]> {
    const matcher = new Matcher(hashes);
    let budget = MOST_HASH_BYTES;
    for (const name of await this.#newestFirst()) {
      const bytes = await readHashes(join(this.#directory, `${name}${HASHES}`));
      budget -= bytes?.byteLength ?? 0;
      if (budget < 0) break;
      if (bytes !== undefined) matcher.look({ name, hashes: bytes });
    }
    const full = hashes.reduce((count, hash) => count + (hash === ZERO ? 0 : 1), 0);
    const matches = matcher.matches();
    if (sum(matches) < full * WORTH_SHARING) return [];
    const packs = new Set<string>();
    const same: Match[] = [];
    for (const match of matches) {
      if (!packs.has(match.pack) && packs.size === MOST_PACKS) continue;
      packs.add(match.pack);
      if (await this.#same(file, match)) same.push(match);
    }
    return same;
  }

  async #same(file: string, { first, pack, packFirst, pages }: Match): Promise<boolean> {
    const mine = await open(file, "r");
    try {
      const theirs = await open(join(this.#directory, pack), "r");
      try {
        return await samePages(mine, first, theirs, packFirst, pages);
      } finally {
        await theirs.close();
      }
    } catch {
      return false; // It was removed meanwhile, or is damaged.
    } finally {
      await mine.close();
    }
  }

  /** Links the packs into the checkpoint and punches what they have. @returns the matches whose packs are still there. */
  async #take(
    checkpoint: string,
    file: string,
    hashes: Float64Array,
    matches: readonly Match[],
    digests: Map<string, DigestedFile>,
  ): Promise<Match[]> {
    const linked = new Map<string, boolean>();
    for (const { pack } of matches) {
      if (linked.has(pack)) continue;
      const found = tryLink(join(this.#directory, pack), join(checkpoint, PACKS, pack));
      linked.set(pack, found);
      if (found) digests.set(`${PACKS}/${pack}`, { size: statSync(join(checkpoint, PACKS, pack)).size, sha256: pack });
    }
    const taken = matches.filter(({ pack }) => linked.get(pack) === true);
    if (!(await punchHoles(file, taken))) await writeZeros(file, taken);
    for (const { first, pages } of taken) hashes.fill(ZERO, first, first + pages);
    return taken;
  }

  async #newestFirst(): Promise<string[]> {
    const names = (await entriesOf(this.#directory)).filter((name) => !name.endsWith(HASHES));
    const made = new Map<string, number>();
    for (const name of names)
      made.set(name, (await stat(join(this.#directory, name)).catch(() => undefined))?.mtimeMs ?? 0);
    return names.sort((a, b) => (made.get(b) ?? 0) - (made.get(a) ?? 0));
  }
}

/** The runs of a file of which `taken` are elsewhere, `hashes` says which of the others are zeros, and the rest is in `own`. */
function recipeRuns(hashes: Float64Array, taken: readonly Match[], own: string): Run[] {
  const runs: Run[] = [];
  let at = 0;
  const ownUpTo = (end: number) => {
    while (at < end) {
      const zero = hashes[at] === ZERO;
      let to = at + 1;
      while (to < end && (hashes[to] === ZERO) === zero) to++;
      runs.push({ pack: zero ? undefined : own, first: zero ? 0 : at, pages: to - at });
      at = to;
    }
  };
  for (const { first, pack, packFirst, pages } of taken) {
    ownUpTo(first);
    runs.push({ pack, first: packFirst, pages });
    at = first + pages;
  }
  ownUpTo(hashes.length);
  return runs;
}

async function readHashes(file: string): Promise<Float64Array | undefined> {
  const bytes = await Bun.file(file)
    .arrayBuffer()
    .catch(() => undefined);
  return bytes === undefined || bytes.byteLength % 8 !== 0 ? undefined : new Float64Array(bytes);
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return true;
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "EMLINK") return false;
    throw error;
  }
}

/** False when there is something at `to`. */
async function linkNew(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (errnoOf(error) === "EEXIST") return false;
    throw error;
  }
}

/** Puts another name of `from` in the place of `to`. */
async function linkOver(from: string, to: string): Promise<void> {
  await rm(`${to}.new`, { force: true });
  if (!tryLink(from, `${to}.new`)) return;
  await rename(`${to}.new`, to);
  // Renaming one name of a file over another of the same does nothing, and leaves both.
  await rm(`${to}.new`, { force: true });
}

async function equal(file: string, pack: string, pages: number): Promise<boolean> {
  const [mine, theirs] = [await open(file, "r"), await open(pack, "r")];
  try {
    if ((await theirs.stat()).size !== pages * PAGE) return false;
    return await samePages(mine, 0, theirs, 0, pages);
  } finally {
    await mine.close();
    await theirs.close();
  }
}

function sum(extents: readonly Extent[]): number {
  return extents.reduce((total, { pages }) => total + pages, 0);
}
