/**
 * The copy of a container's writable layer. Most of it is made while the processes still run; when they stand still only
 * what has changed since is copied again. A file has changed when its inode, size or times have: the kernel sets the time
 * of every change itself, but counts it in ticks, so what was changed just before the first look is taken for changed. The
 * one change that leaves no mark is a write through a shared mapping.
 */
import { lstatSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, ThawError } from "../../common/errors.ts";
import { execOk } from "../../common/exec.ts";

const TYPE_MASK = 0o170000;
const SOCKET = 0o140000;
const DIRECTORY = 0o040000;

/** Longer than the ticks that the kernel counts times of files in. */
const TICKS_NS = 50_000_000n;

/** What tells a changed file from one that is as it was. */
interface Look {
  readonly mark: string;
  readonly changedNs: bigint;
  /** S_IFMT of its mode. */
  readonly type: number;
  /** Inode of a file with several names. */
  readonly linked: bigint | undefined;
}

/** By path relative to the layer. */
type Looks = ReadonlyMap<string, Look>;

const KEEP_ALL = ["--xattrs", "--xattrs-include=*", "--acls", "--numeric-owner"];

/** What differs, in paths relative to the layer. */
export interface LayerChanges {
  readonly gone: readonly string[];
  readonly changed: readonly string[];
  /** Something in it that only a copy of all of it keeps. */
  readonly needsAll: boolean;
}

/** A layer of which a copy was begun. */
export class LayerCopy {
  readonly #from: string;
  readonly #to: string;
  /** Undefined: nothing is sure of the copy. */
  readonly #before: Looks | undefined;

  private constructor(from: string, to: string, before: Looks | undefined) {
    this.#from = from;
    this.#to = to;
    this.#before = before;
  }

  /** Copies what is there now into the directory `to`. @throws ThawError NO_SPACE. */
  static async ahead(from: string, to: string): Promise<LayerCopy> {
    const before = await settledLooks(from);
    try {
      await copyAll(from, to);
      return new LayerCopy(from, to, before);
    } catch (error) {
      if (isFull(error)) throw noSpace(error);
      // Something vanished while it was copied.
      return new LayerCopy(from, to, undefined);
    }
  }

  /**
   * Makes the copy equal to the layer, in which nobody writes any more.
   * @param mapped  paths in the container that processes may write through a shared mapping.
   */
  async finish(mapped: Iterable<string>): Promise<void> {
    try {
      if (this.#before === undefined) return await this.#again();
      const { gone, changed, needsAll } = compareLooks(this.#before, await looks(this.#from), mapped);
      if (needsAll) return await this.#again();
      for (const path of gone) await rm(join(this.#to, path), { recursive: true, force: true });
      if (changed.length > 0) await this.#copyChanged(changed);
    } catch (error) {
      throw isFull(error) ? noSpace(error) : error;
    }
  }

  async #again(): Promise<void> {
    await rm(this.#to, { recursive: true, force: true });
    await mkdir(this.#to, { mode: 0o700 });
    await copyAll(this.#from, this.#to);
  }

  /** tar replaces files by new ones and gives directories their attributes again. */
  async #copyChanged(paths: readonly string[]): Promise<void> {
    const list = `${this.#to}.changed`;
    await writeFile(list, paths.map((path) => `./${path}\0`).join(""));
    const script = `set -o pipefail; tar -C "$1" --null --no-recursion -T "$3" -S --format=posix ${KEEP_ALL.join(" ")} -cf - |
      tar -C "$2" ${KEEP_ALL.join(" ")} -xpf -`;
    try {
      await execOk(["bash", "-c", script, "bash", this.#from, this.#to, list]);
    } finally {
      await rm(list, { force: true });
    }
  }
}

/** What has to be done to a copy made after `before` to make it what `after` shows. */
export function compareLooks(before: Looks, after: Looks, mapped: Iterable<string> = []): LayerChanges {
  const written = new Set([...mapped].map((path) => path.replace(/^\/+/, "")));
  const gone = [...before].filter(([path, { type }]) => type !== after.get(path)?.type);
  const isChanged = ([path, { mark }]: readonly [string, Look]) => mark !== before.get(path)?.mark || written.has(path);
  const inodes = new Set([...after].filter(isChanged).flatMap(([, { linked }]) => linked ?? []));
  // All names of a file go together, or it would become two.
  const changed = [...after].filter((entry) => isChanged(entry) || inodes.has(entry[1].linked ?? -1n));
  // Removing and replacing in the copy gives its directories new times.
  const touched = [...gone, ...changed].map(([path]) => dirname(path)).filter((path) => after.has(path));
  return {
    gone: gone.map(([path]) => path),
    changed: [...new Set([...changed.map(([path]) => path), ...touched])],
    needsAll: changed.some(([, { type }]) => type === SOCKET),
  };
}

/** How the layer is, with no mark for what changed so lately that a later change could have the same time. */
async function settledLooks(layer: string): Promise<Looks> {
  const now = BigInt(Date.now()) * 1_000_000n;
  const found = await looks(layer);
  return new Map(
    [...found].map(([path, look]) => [path, look.changedNs < now - TICKS_NS ? look : { ...look, mark: "" }]),
  );
}

async function looks(layer: string): Promise<Map<string, Look>> {
  const found = new Map<string, Look>();
  const visit = async (path: string): Promise<void> => {
    const look = lookAt(join(layer, path));
    if (look === undefined) return;
    found.set(path, look);
    if (look.type !== DIRECTORY) return;
    for (const name of await namesIn(join(layer, path))) await visit(path === "." ? name : `${path}/${name}`);
  };
  await visit(".");
  return found;
}

function lookAt(file: string): Look | undefined {
  const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  const { ino, mode, mtimeNs, ctimeNs, nlink, rdev } = stat;
  const type = Number(mode) & TYPE_MASK;
  const size = type === DIRECTORY ? 0n : stat.size;
  const linked = type !== DIRECTORY && nlink > 1n ? ino : undefined;
  return { mark: [ino, mode, size, mtimeNs, ctimeNs, nlink, rdev].join(" "), changedNs: ctimeNs, type, linked };
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error) => {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return [];
    throw error;
  });
}

/** Extended attributes, hard links and devices (an overlay's whiteouts) are kept; blocks are shared where possible. */
async function copyAll(from: string, to: string): Promise<void> {
  await execOk(["cp", "-a", "--reflink=auto", `${from}/.`, to]);
}

function isFull(error: unknown): boolean {
  return error instanceof ThawError && /No space left/.test(error.message);
}

function noSpace(error: unknown): ThawError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ThawError("NO_SPACE", `no space left for the writable layer: ${reason}`, {
    hint: "Free disk space under the data directory (thaw rm, thaw image rm, thaw checkpoint rm) and try again.",
    cause: error,
  });
}
