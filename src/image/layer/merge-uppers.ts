/**
 * Several upper directories, each made on top of the next, as the one that an overlay would have had if it had been
 * there all the time. What stays is decided from the headers alone, before anything is passed on: an entry belongs to
 * the topmost directory that has its path, and what lies below a whiteout, a file or an opaque directory is hidden. A
 * directory that took the place of something in a lower one is opaque to whatever is below all of them.
 */
import type { TarHeader } from "../tar/header.ts";
import type { TarEntry } from "../tar/reader.ts";
import { cleanPath } from "./paths.ts";

/** The entries of an upper directory's archive, names that are links to earlier ones behind them; can be read twice. */
export type UpperEntries = () => AsyncIterable<TarEntry>;

const OPAQUE = "trusted.overlay.opaque";

/** What is known of a path. Directories are counted from the top, 0. */
interface Place {
  readonly owner: number;
  readonly isDirectory: boolean;
  /** The topmost directory in which it hides what is below. */
  opaqueIn: number;
}

/** `uppers`: top first. @returns entries of which none has the path of another. */
export async function* mergeUppers(uppers: readonly UpperEntries[]): AsyncGenerator<TarEntry> {
  const merge = new Merge();
  for (const [index, entries] of uppers.entries()) {
    for await (const { header } of entries()) merge.look(index, header);
  }
  for (const [index, entries] of uppers.entries()) {
    for await (const entry of entries()) {
      const header = merge.kept(index, entry.header);
      if (header !== undefined) yield { header, body: entry.body };
    }
  }
}

class Merge {
  readonly #places = new Map<string, Place>();
  /** By directory and name of a hidden file: the first of its other names that is not. */
  readonly #heirs = new Map<string, string>();

  /** Takes notice of an entry; called for all of a directory's entries, and for the directories from the top down. */
  look(index: number, header: TarHeader): void {
    const path = cleanPath(header.name);
    if (this.#isHidden(index, path)) return;
    const isDirectory = header.type === "directory";
    const hides = !isDirectory || header.xattrs.get(OPAQUE) === "y";
    const above = this.#places.get(path);
    if (above === undefined) {
      this.#places.set(path, { owner: index, isDirectory, opaqueIn: hides ? index : Number.POSITIVE_INFINITY });
      if (header.type === "hardlink") this.#inherit(index, path, header);
    } else if (hides) {
      above.opaqueIn = Math.min(above.opaqueIn, index);
    }
  }

  /** The entry as it stays; undefined when it does not. */
  kept(index: number, header: TarHeader): TarHeader | undefined {
    const path = cleanPath(header.name);
    const place = this.#places.get(path);
    const heir = this.#heirs.get(key(index, header.type === "hardlink" ? cleanPath(header.linkname) : path));
    if (place?.owner !== index) {
      return header.type === "hardlink" || heir === undefined ? undefined : { ...header, name: heir };
    }
    if (header.type === "hardlink" && heir !== undefined) {
      return heir === path ? undefined : { ...header, linkname: heir };
    }
    if (!place.isDirectory || place.opaqueIn === Number.POSITIVE_INFINITY) return header;
    return { ...header, xattrs: new Map([...header.xattrs, [OPAQUE, "y"]]) };
  }

  #inherit(index: number, path: string, { linkname }: TarHeader): void {
    const first = cleanPath(linkname);
    const isGone = this.#places.get(first)?.owner !== index;
    if (isGone && !this.#heirs.has(key(index, first))) this.#heirs.set(key(index, first), path);
  }

  #isHidden(index: number, path: string): boolean {
    for (let at = path; at !== ""; at = at.slice(0, Math.max(0, at.lastIndexOf("/")))) {
      const place = this.#places.get(at);
      if (place !== undefined && place.opaqueIn < index) return true;
    }
    return false;
  }
}

function key(index: number, path: string): string {
  return `${index}/${path}`;
}
