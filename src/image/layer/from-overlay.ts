/**
 * The way back: GNU tar's archive of an overlay's upper directory, rewritten into an OCI layer archive. Character
 * devices 0:0 become `.wh.x` files, opaque directories get a `.wh..wh..opq`, overlayfs's own attributes are dropped.
 */
import { ThawError } from "../../common/errors.ts";
import { BLOCK, encodeHeader, padding, type TarHeader } from "../tar/header.ts";
import { readTar, type TarEntry } from "../tar/reader.ts";
import { badName, baseOf, childOf, cleanPath, parentOf } from "./paths.ts";

/** Called for every device node that the layer cannot hold and that was left out. */
export type OnDropped = (path: string) => void;

/** Rewrites the archive of an upper directory. @throws ThawError BAD_ARCHIVE for what no layer can express. */
export function fromOverlay(source: AsyncIterable<Uint8Array>, onDropped: OnDropped): AsyncGenerator<Uint8Array> {
  return layerOf(readTar(source), onDropped);
}

/** The same of the archive's entries. `onDeleted` is called for what the layer removes from those below. */
export async function* layerOf(
  entries: AsyncIterable<TarEntry>,
  onDropped: OnDropped,
  onDeleted: (path: string) => void = () => {},
): AsyncGenerator<Uint8Array> {
  for await (const entry of entries) {
    if (isWhiteout(entry.header)) onDeleted(cleanPath(entry.header.name));
    const headers = convert(entry.header);
    if (headers.length === 0) onDropped(cleanPath(entry.header.name));
    for (const header of headers) yield encodeHeader(header);
    if (entry.header.size === 0) continue;
    yield* entry.body();
    yield new Uint8Array(padding(entry.header.size));
  }
  yield new Uint8Array(2 * BLOCK);
}

function convert(header: TarHeader): TarHeader[] {
  const path = cleanPath(header.name);
  if (baseOf(path).startsWith(".wh.")) throw badName(path, "has a name that means a whiteout in layers");
  if (isWhiteout(header)) {
    return [emptyFile(childOf(parentOf(path), `.wh.${baseOf(path)}`))];
  }
  if (header.type === "char" || header.type === "block") return [];
  if (header.xattrs.has("trusted.overlay.redirect") || header.xattrs.has("trusted.overlay.metacopy")) {
    throw new ThawError("INTERNAL", `${path} was renamed by reference in its overlay`, {
      hint: "Mount build steps with redirect_dir=off,metacopy=off.",
    });
  }
  const own: TarHeader = {
    ...header,
    name: header.type === "directory" ? (path === "" ? "./" : `${path}/`) : path,
    linkname: header.type === "hardlink" ? cleanPath(header.linkname) : header.linkname,
    xattrs: new Map([...header.xattrs].filter(([name]) => isLayerXattr(name))),
  };
  const opaque = header.xattrs.get("trusted.overlay.opaque") === "y" && path !== "";
  return opaque ? [own, emptyFile(childOf(path, ".wh..wh..opq"))] : [own];
}

function isWhiteout({ type, major, minor }: TarHeader): boolean {
  return type === "char" && major === 0 && minor === 0;
}

function isLayerXattr(name: string): boolean {
  return name === "security.capability" || (name.startsWith("user.") && !name.startsWith("user.overlay."));
}

function emptyFile(name: string): TarHeader {
  const common = { mode: 0, uid: 0, gid: 0, size: 0, mtime: "0", linkname: "", major: 0, minor: 0 };
  return { ...common, name, type: "file", xattrs: new Map() };
}
