/**
 * Writing into a build step's upper directory what a container would have written into its root: every path is
 * resolved in the merged view first, so a link of the image decides where inside the root a file lands and never
 * lets it out; directories that exist below are copied up with their owner, mode and time.
 */
import { constants, type Stats } from "node:fs";
import { chmod, chown, copyFile, lchown, lutimes, mkdir, rm, stat, symlink, utimes } from "node:fs/promises";
import { join, posix } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { LayerStore } from "../layer/index.ts";
import { MergedView, type Resolved } from "../merged.ts";
import type { CopyItem, CopySources } from "./context.ts";

export interface CopyOptions {
  /** Absolute path in the image; a trailing "/" means a directory. */
  readonly destination: string;
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Mode of every copied file and directory, when it is not to be the source's. */
  readonly mode: number | undefined;
}

/**
 * Makes a fresh upper directory above `lowers`. Its own owner and mode become the root's, so they are taken from
 * the layer below.
 */
export async function freshUpper(layers: LayerStore, lowers: readonly string[]): Promise<string> {
  const upper = await layers.temporary();
  const [top] = lowers;
  if (top === undefined) return upper;
  const stats = await stat(top);
  await attributes(upper, stats.uid, stats.gid, stats.mode, stats);
  return upper;
}

/** One upper directory above `lowers` (top first). */
export class UpperWriter {
  readonly #upper: string;
  readonly #view: MergedView;

  constructor(upper: string, lowers: readonly string[]) {
    this.#upper = upper;
    this.#view = new MergedView([upper, ...lowers]);
  }

  /**
   * Makes sure that `path` is a directory in the merged view and exists in the upper directory; new ones get mode
   * 0755 and `owner`. Returns the path after all links. @throws ThawError INVALID when something else is there.
   */
  async directory(path: string, owner: CopyOptions["owner"], mode = 0o755): Promise<string> {
    const { path: existing, found, missing } = await this.#view.resolve(path);
    if (!found.stats.isDirectory()) throw new ThawError("INVALID", `/${existing} in the image is not a directory`);
    await this.#copyUp(existing);
    let at = existing;
    for (const part of missing) {
      at = posix.join(at, part);
      const made = join(this.#upper, at);
      await mkdir(made);
      await chown(made, owner.uid, owner.gid);
      await chmod(made, at === posix.join(existing, ...missing) ? mode : 0o755);
    }
    return at;
  }

  /** What of `path` exists in the merged view, links followed. */
  async look(path: string): Promise<Resolved> {
    return this.#view.resolve(path);
  }

  /** Copies the sources of a COPY. @throws ThawError INVALID when the destination does not fit them. */
  async copy(sources: CopySources, options: CopyOptions, signal?: AbortSignal): Promise<void> {
    const into = await this.#intoDirectory(sources, options);
    for (const item of sources.items) {
      signal?.throwIfAborted();
      const target = into ? posix.join(options.destination, item.target) : options.destination;
      if (item.kind === "directory") {
        const mode = item.target === "" ? 0o755 : (options.mode ?? item.stats.mode & 0o7777);
        await this.directory(target, options.owner, mode);
      } else await this.#leaf(item, target, options);
    }
  }

  async #intoDirectory(sources: CopySources, { destination }: CopyOptions): Promise<boolean> {
    if (destination.endsWith("/")) return true;
    const [only] = sources.items;
    if (sources.needsDirectory && only?.kind !== "directory") {
      throw new ThawError("INVALID", `several sources, but the destination ${destination} does not end with /`, {
        hint: "Write the destination as a directory, with a / at its end.",
      });
    }
    if (sources.needsDirectory) return true;
    const { found, missing } = await this.#view.resolve(destination);
    return missing.length === 0 && found.stats.isDirectory();
  }

  async #leaf(item: CopyItem, target: string, options: CopyOptions): Promise<void> {
    const parent = await this.directory(posix.dirname(target), options.owner);
    const inside = posix.join(parent, posix.basename(target));
    const there = await this.#view.lookup(inside);
    if (there?.stats.isDirectory()) {
      throw new ThawError("INVALID", `cannot copy ${item.hostPath} over the directory /${inside}`);
    }
    const hostPath = join(this.#upper, inside);
    await rm(hostPath, { force: true });
    const { uid, gid } = options.owner;
    if (item.kind === "symlink") {
      await symlink(item.link ?? "", hostPath);
      await lchown(hostPath, uid, gid);
      await lutimes(hostPath, item.stats.mtimeMs / 1000, item.stats.mtimeMs / 1000);
      return;
    }
    await copyFile(item.hostPath, hostPath, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL);
    await attributes(hostPath, uid, gid, options.mode ?? item.stats.mode, item.stats);
  }

  /** Gives the upper directory the directories that lead to `path`, as the layers below have them. */
  async #copyUp(path: string): Promise<void> {
    let at = "";
    for (const part of path.split("/").filter(Boolean)) {
      at = posix.join(at, part);
      const own = join(this.#upper, at);
      const found = await this.#view.lookup(at);
      if (found === undefined || found.hostPath === own) continue;
      await mkdir(own);
      await attributes(own, found.stats.uid, found.stats.gid, found.stats.mode, found.stats);
    }
  }
}

async function attributes(path: string, uid: number, gid: number, mode: number, times: Stats): Promise<void> {
  // chown clears setuid bits, so the mode comes after it.
  await chown(path, uid, gid);
  await chmod(path, mode & 0o7777);
  await utimes(path, times.mtimeMs / 1000, times.mtimeMs / 1000);
}
