/**
 * An OCI layer archive, checked entry by entry and rewritten into the archive of an overlayfs lower directory:
 * `.wh.x` becomes the character device 0:0, `.wh..wh..opq` the opaque attribute of its directory. The output is
 * built from understood fields only, so whatever extracts it never sees what the archive's author wrote. Whiteouts
 * come last, when it is known whether the layer itself brings what they would hide.
 */
import { ThawError } from "../../common/errors.ts";
import { BLOCK, encodeHeader, padding, type TarHeader } from "../tar/header.ts";
import { readTar } from "../tar/reader.ts";
import { badName, baseOf, childOf, cleanPath, parentOf } from "./paths.ts";

/** Bounds against bombs. */
export interface LayerLimits {
  readonly maxEntries: number;
  /** Of all files together, in bytes. */
  readonly maxExpandedBytes: number;
}

export const DEFAULT_LIMITS: LayerLimits = { maxEntries: 1_000_000, maxExpandedBytes: 64 * 2 ** 30 };

const OPAQUE = new Map([["trusted.overlay.opaque", "y"]]);
const MAX_ID = 2 ** 32 - 2;
const WHITEOUT = ".wh.";

/** Rewrites a layer archive for overlayfs. @throws ThawError BAD_ARCHIVE when an entry is not acceptable. */
export async function* toOverlay(
  source: AsyncIterable<Uint8Array>,
  limits: LayerLimits = DEFAULT_LIMITS,
): AsyncGenerator<Uint8Array> {
  const layer = new LayerCheck(limits);
  for await (const entry of readTar(source)) {
    const headers = layer.accept(entry.header);
    for (const header of headers) yield encodeHeader(header);
    if (headers.length === 0 || entry.header.size === 0) continue;
    yield* entry.body();
    yield new Uint8Array(padding(entry.header.size));
  }
  for (const header of layer.finish()) yield encodeHeader(header);
  yield new Uint8Array(2 * BLOCK);
}

/** What the layer holds so far, and the rules that the next entry has to obey. */
class LayerCheck {
  readonly #limits: LayerLimits;
  readonly #entries = new Map<string, TarHeader>();
  readonly #whiteouts = new Set<string>();
  readonly #opaque = new Set<string>();
  #seen = 0;
  #bytes = 0;

  constructor(limits: LayerLimits) {
    this.#limits = limits;
  }

  /** The headers to write for this entry, its own last; none when it is dropped or kept for the end. */
  accept(header: TarHeader): TarHeader[] {
    this.#count(header);
    const path = cleanPath(header.name);
    if (path !== "" && baseOf(path).startsWith(WHITEOUT)) {
      this.#acceptWhiteout(path);
      return [];
    }
    if (header.type === "char" || header.type === "block") return [];
    const parents = this.#parents(path);
    const clean = this.#clean(path, header);
    this.#entries.set(path, clean);
    return [...parents, clean];
  }

  /** The whiteouts, and again the directories that are opaque. */
  finish(): TarHeader[] {
    const headers: TarHeader[] = [];
    for (const path of this.#whiteouts) {
      const own = this.#entries.get(path);
      if (own === undefined) headers.push(...this.#parents(path), whiteout(path));
      else if (own.type === "directory") this.#opaque.add(path);
    }
    for (const path of this.#opaque) {
      const parents = this.#parents(childOf(path, "x"));
      const directory = this.#entries.get(path) ?? implicitDirectory(path);
      headers.push(...parents, { ...directory, xattrs: new Map([...directory.xattrs, ...OPAQUE]) });
    }
    return headers;
  }

  #count(header: TarHeader): void {
    this.#seen += 1;
    this.#bytes += header.size;
    const { maxEntries, maxExpandedBytes } = this.#limits;
    if (this.#seen > maxEntries) throw new ThawError("BAD_ARCHIVE", `the layer has more than ${maxEntries} entries`);
    if (this.#bytes > maxExpandedBytes) {
      throw new ThawError("BAD_ARCHIVE", `the layer expands to more than ${maxExpandedBytes} bytes`);
    }
  }

  #acceptWhiteout(path: string): void {
    const parent = parentOf(path);
    const name = baseOf(path).slice(WHITEOUT.length);
    if (baseOf(path) === ".wh..wh..opq") {
      if (parent === "") throw badName(path, "would hide the whole image below");
      this.#opaque.add(parent);
      return;
    }
    // Other names with a double prefix are aufs's own bookkeeping.
    if (name.startsWith(WHITEOUT)) return;
    if (name === "" || name === "." || name === "..") throw badName(path, "is a whiteout of nothing");
    this.#whiteouts.add(childOf(parent, name));
  }

  /** Checks that every ancestor is a directory of this layer; makes the ones that have no entry. */
  #parents(path: string): TarHeader[] {
    const made: TarHeader[] = [];
    for (let at = path.indexOf("/"); at >= 0; at = path.indexOf("/", at + 1)) {
      const ancestor = path.slice(0, at);
      const known = this.#entries.get(ancestor);
      if (known === undefined) {
        const directory = implicitDirectory(ancestor);
        this.#entries.set(ancestor, directory);
        made.push(directory);
      } else if (known.type !== "directory") throw badName(path, `lies below the ${known.type} ${ancestor}`);
    }
    return made;
  }

  #clean(path: string, header: TarHeader): TarHeader {
    const before = this.#entries.get(path);
    if (path === "" && header.type !== "directory") throw badName(header.name, "is the root but no directory");
    if (before !== undefined && (before.type === "directory") !== (header.type === "directory")) {
      throw badName(path, `comes twice, as ${before.type} and as ${header.type}`);
    }
    if (header.uid > MAX_ID || header.gid > MAX_ID) throw badName(path, "has an owner id beyond 32 bits");
    return {
      ...header,
      name: header.type === "directory" ? `./${path}${path === "" ? "" : "/"}` : `./${path}`,
      linkname: this.#cleanLink(path, header),
      major: 0,
      minor: 0,
      xattrs: keptXattrs(header),
    };
  }

  #cleanLink(path: string, header: TarHeader): string {
    if (header.type === "symlink") {
      const bad = header.linkname === "" || header.linkname.length > 4095 || header.linkname.includes("\0");
      if (bad) throw badName(path, "is a symbolic link with a bad target");
      return header.linkname;
    }
    if (header.type !== "hardlink") return "";
    const target = cleanPath(header.linkname);
    const known = this.#entries.get(target);
    if (known === undefined) throw badName(path, "is a hard link to something that is not in its layer");
    if (known.type === "directory" || target === path) throw badName(path, "is a hard link to a directory or itself");
    return `./${target}`;
  }
}

/** Capabilities and the user's own attributes; `trusted.overlay.*` of an archive would forge overlay metadata. */
function keptXattrs(header: TarHeader): Map<string, string> {
  const kept = (name: string) =>
    name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
  return new Map([...header.xattrs].filter(([name]) => kept(name)));
}

function whiteout(path: string): TarHeader {
  return { ...implicitDirectory(path), name: `./${path}`, type: "char", mode: 0 };
}

function implicitDirectory(path: string): TarHeader {
  const common = { mode: 0o755, uid: 0, gid: 0, size: 0, mtime: "0", linkname: "", major: 0, minor: 0 };
  return { ...common, name: `./${path}/`, type: "directory", xattrs: new Map() };
}
