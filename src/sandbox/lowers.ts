/**
 * Reading a small file of an image before it is mounted: its directories are looked through top first as overlayfs
 * would, links are followed only inside them, and what is read is bounded. Nothing of an image can make the daemon
 * read a file of the host, wait on a FIFO, or swallow a device.
 */
import { lstatSync, readFileSync, readlinkSync, type Stats } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../common/errors.ts";

const LARGEST_BYTES = 1 << 20;
const MOST_LINKS = 16;

/** The text of `path` in the layered directories (top first), or undefined when there is no such regular file. */
export function readFromLowers(lowers: readonly string[], path: string): string | undefined {
  const found = resolve(lowers, path);
  if (!found?.stats.isFile() || found.stats.size > LARGEST_BYTES) return undefined;
  return readFileSync(found.path, "utf8");
}

/** Where the regular file is that `path` leads to, inside the layered directories; undefined when there is none. */
export function findInLowers(lowers: readonly string[], path: string): string | undefined {
  const found = resolve(lowers, path);
  return found?.stats.isFile() ? found.inside : undefined;
}

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

function resolve(lowers: readonly string[], path: string): (Found & { readonly inside: string }) | undefined {
  const todo = path.split("/").filter(Boolean);
  let done: string[] = [];
  let found: Found | undefined;
  let links = 0;
  for (let part = todo.shift(); part !== undefined; part = todo.shift()) {
    if (part === ".") continue;
    if (part === "..") {
      done = done.slice(0, -1);
      continue;
    }
    found = topmost(lowers, [...done, part]);
    if (!found) return undefined;
    if (found.stats.isSymbolicLink()) {
      if (++links > MOST_LINKS) return undefined;
      const text = readlinkSync(found.path);
      todo.unshift(...text.split("/").filter(Boolean));
      if (text.startsWith("/")) done = [];
    } else {
      done.push(part);
    }
  }
  return found && { ...found, inside: `/${done.join("/")}` };
}

/** The entry that an overlay would show. A character device 0:0 is a whiteout: it hides what is below. */
function topmost(lowers: readonly string[], parts: readonly string[]): Found | undefined {
  for (const lower of lowers) {
    const path = join(lower, ...parts);
    const stats = lstatOrNothing(path);
    if (stats?.isCharacterDevice() && stats.rdev === 0) return undefined;
    if (stats) return { path, stats };
  }
  return undefined;
}

function lstatOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (errnoOf(error) === "ENOTDIR") return undefined;
    throw error;
  }
}
