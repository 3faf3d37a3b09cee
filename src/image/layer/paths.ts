/**
 * Names inside archives, made safe. An entry's name becomes a relative path without `.`, `..` or empty parts, or
 * it is refused: nothing after this point has to think about traversal again.
 */
import { ThawError } from "../../common/errors.ts";
import { printable } from "../tar/reader.ts";

const MAX_PATH = 4095;
const MAX_PART = 255;

/**
 * `name` as a relative path ("" is the root): leading `/` and `./` are dropped.
 * @throws ThawError BAD_ARCHIVE for `..`, NUL bytes and names that Linux cannot hold.
 */
export function cleanPath(name: string): string {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw badName(name, "has .. in its name");
  if (name.includes("\0")) throw badName(name, "has a NUL byte in its name");
  const path = parts.join("/");
  if (path.length > MAX_PATH || parts.some((part) => part.length > MAX_PART))
    throw badName(name, "has too long a name");
  return path;
}

/** The path of the directory that `path` lies in; "" is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), 0));
}

/** The last part of `path`. */
export function baseOf(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** `base` inside the directory `parent`. */
export function childOf(parent: string, base: string): string {
  return parent === "" ? base : `${parent}/${base}`;
}

/** The error for an archive entry that is refused: "entry NAME what". */
export function badName(name: string, what: string): ThawError {
  return new ThawError("BAD_ARCHIVE", `entry ${printable(name)} ${what}`, {
    hint: "The archive is damaged or hostile; nothing of it was kept.",
  });
}
