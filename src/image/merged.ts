/**
 * Reading the file system that an overlay of some lower directories shows, without mounting it. Paths are resolved
 * as a container would see them: symbolic links, absolute ones included, never leave the root. Builds use it to
 * find where a COPY really goes and who "app" is in the image's /etc/passwd.
 */
import { dlopen } from "bun:ffi";
import type { Stats } from "node:fs";
import { lstat, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ThawError } from "../common/errors.ts";

/** Something that exists in the merged view. */
export interface Found {
  /** Where it lies on the host. */
  readonly hostPath: string;
  readonly stats: Stats;
}

/** A path after all symbolic links: what exists of it, and the parts that do not. */
export interface Resolved {
  /** The existing part, relative to the root, free of links ("" is the root itself). */
  readonly path: string;
  /** What is at `path`. */
  readonly found: Found;
  /** The parts below `path` that do not exist. */
  readonly missing: readonly string[];
}

const MAX_LINKS = 40;

/** The union of `lowers` (top first) as overlayfs shows it. */
export class MergedView {
  readonly #lowers: readonly string[];

  constructor(lowers: readonly string[]) {
    this.#lowers = lowers;
  }

  /** What is at `path` (relative, no links among its parents), a link itself not followed. */
  async lookup(path: string): Promise<Found | undefined> {
    let layers = this.#lowers;
    let found = await lookIn(layers);
    for (const part of path.split("/").filter(Boolean)) {
      if (found.top === undefined || !found.top.stats.isDirectory()) return undefined;
      layers = found.directories.map((directory) => join(directory, part));
      found = await lookIn(layers);
    }
    return found.top;
  }

  /**
   * Follows `path` from the root through every symbolic link, within the root.
   * @throws ThawError INVALID for link loops and for paths that go through a file.
   */
  async resolve(path: string): Promise<Resolved> {
    const todo = parts(path);
    let at: string[] = [];
    let links = 0;
    for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
      if (part === "..") at = at.slice(0, -1);
      if (part === "..") continue;
      const found = await this.lookup([...at, part].join("/"));
      if (found === undefined) {
        // Whoever creates the missing parts must not climb out through them.
        if (todo.includes("..")) throw new ThawError("INVALID", `${path}: /${[...at, part].join("/")} does not exist`);
        return { ...(await this.#existing(at)), missing: [part, ...todo] };
      }
      if (found.stats.isSymbolicLink()) {
        links += 1;
        if (links > MAX_LINKS) throw new ThawError("INVALID", `${path}: too many symbolic links`);
        const target = await readlink(found.hostPath);
        if (target.startsWith("/")) at = [];
        todo.unshift(...parts(target));
      } else if (todo.length > 0 && !found.stats.isDirectory()) {
        throw new ThawError("INVALID", `${path}: /${[...at, part].join("/")} is not a directory`);
      } else at.push(part);
    }
    return { ...(await this.#existing(at)), missing: [] };
  }

  /** A small text file's content, links followed; undefined when there is none. At most `maxBytes` are allowed. */
  async readText(path: string, maxBytes = 1024 * 1024): Promise<string | undefined> {
    if (this.#lowers.length === 0) return undefined;
    const { found, missing } = await this.resolve(path);
    if (missing.length > 0 || !found.stats.isFile()) return undefined;
    if (found.stats.size > maxBytes)
      throw new ThawError("INVALID", `the image's ${path} is larger than ${maxBytes} bytes`);
    return readFile(found.hostPath, "utf8");
  }

  async #existing(at: readonly string[]): Promise<{ path: string; found: Found }> {
    const path = at.join("/");
    const found = await this.lookup(path);
    if (found === undefined) throw new ThawError("INTERNAL", `/${path} vanished from an image while it was read`);
    return { path, found };
  }
}

/** What the same path is in several layers, top first: the visible thing, and the directories that merge. */
async function lookIn(paths: readonly string[]): Promise<{ top: Found | undefined; directories: string[] }> {
  let top: Found | undefined;
  const directories: string[] = [];
  for (const hostPath of paths) {
    const stats = await lstatOrUndefined(hostPath);
    if (stats === undefined) continue;
    if (stats.isCharacterDevice() && stats.rdev === 0) break;
    if (!stats.isDirectory()) {
      top ??= { hostPath, stats };
      break;
    }
    top ??= { hostPath, stats };
    directories.push(hostPath);
    if (isOpaque(hostPath)) break;
  }
  return { top, directories };
}

async function lstatOrUndefined(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (errnoOf(error) === "ENOENT" || errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

// Neither node: nor Bun has a call for extended attributes; the C library has.
const libc = dlopen("libc.so.6", { lgetxattr: { args: ["ptr", "ptr", "ptr", "u64"], returns: "i64" } });

/** Whether a layer's directory hides the same directory of the layers below it. */
function isOpaque(path: string): boolean {
  const value = new Uint8Array(1);
  // Buffers, not pointers, are handed over: only then are they kept alive during the call.
  const size = libc.symbols.lgetxattr(cString(path), cString("trusted.overlay.opaque"), value, BigInt(value.length));
  return Number(size) === 1 && value[0] === "y".charCodeAt(0);
}

function cString(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}
