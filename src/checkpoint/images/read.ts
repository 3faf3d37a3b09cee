/** Reads the directory of CRIU's images of a dump, all of it but the pages. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { FRAMES, NAMES, PAGEMAP_HEAD, REFUSED } from "./catalog.ts";
import { decodeImage, decodeWithHead, type Frame, type Framed } from "./framing.ts";
import type { FdinfoEntry, FileEntry, FsEntry, PipeDataEntry } from "./messages/files.ts";
import type { FileLockEntry, TimensEntry } from "./messages/machine.ts";
import type { MmEntry, PagemapEntry } from "./messages/memory.ts";
import type { CoreEntry, IdsEntry, InventoryEntry, PstreeEntry, SeccompEntry } from "./messages/process.ts";
import type { PacketEntry } from "./messages/sockets.ts";

/** Larger images are refused: what a process of many threads and mappings has is a thousandth of it. */
const MAX_IMAGE_BYTES = 64 << 20;

/** The content of the images; what has ids in its files' names is by them. */
export interface Images {
  readonly inventory: readonly InventoryEntry[];
  readonly pstree: readonly PstreeEntry[];
  readonly core: ReadonlyMap<number, CoreEntry>;
  readonly ids: ReadonlyMap<number, IdsEntry>;
  readonly mm: ReadonlyMap<number, MmEntry>;
  readonly pagemap: ReadonlyMap<number, { readonly pagesId: number; readonly entries: readonly PagemapEntry[] }>;
  /** Bytes of the pages files. */
  readonly pages: ReadonlyMap<number, number>;
  readonly fdinfo: ReadonlyMap<number, readonly FdinfoEntry[]>;
  readonly files: readonly FileEntry[];
  readonly fs: ReadonlyMap<number, FsEntry>;
  readonly seccomp: readonly SeccompEntry[];
  readonly timens: readonly TimensEntry[];
  readonly pipesData: readonly Framed<PipeDataEntry>[];
  readonly packets: readonly Framed<PacketEntry>[];
  /** Ids of files that are not under their name any more. */
  readonly remapped: ReadonlySet<number>;
  readonly fileLocks: readonly FileLockEntry[];
}

/** The images, and what about their files speaks against understanding them, each beginning with a file's name. */
export interface ReadImages {
  readonly images: Images;
  readonly problems: readonly string[];
}

/** Gathers all images of `directory`. @throws what the file system throws. */
export async function readImages(directory: string): Promise<ReadImages> {
  const found = new Found();
  for (const name of (await readdir(directory)).sort()) {
    try {
      await readOne(directory, name, found);
    } catch (error) {
      if (!(error instanceof ThawError)) throw error;
      found.problems.push(error.message);
    }
  }
  return { images: found, problems: found.problems };
}

/** What readOne fills. */
class Found implements Images {
  readonly problems: string[] = [];
  readonly inventory: InventoryEntry[] = [];
  readonly pstree: PstreeEntry[] = [];
  readonly core = new Map<number, CoreEntry>();
  readonly ids = new Map<number, IdsEntry>();
  readonly mm = new Map<number, MmEntry>();
  readonly pagemap = new Map<number, { pagesId: number; entries: PagemapEntry[] }>();
  readonly pages = new Map<number, number>();
  readonly fdinfo = new Map<number, FdinfoEntry[]>();
  readonly files: FileEntry[] = [];
  readonly fs = new Map<number, FsEntry>();
  readonly seccomp: SeccompEntry[] = [];
  readonly timens: TimensEntry[] = [];
  readonly pipesData: Framed<PipeDataEntry>[] = [];
  readonly packets: Framed<PacketEntry>[] = [];
  readonly remapped = new Set<number>();
  readonly fileLocks: FileLockEntry[] = [];
}

async function readOne(directory: string, name: string, found: Found): Promise<void> {
  const path = join(directory, name);
  const info = await stat(path);
  if (!info.isFile()) throw new ThawError("INVALID", `${name}: expected a regular file`);
  const refused = REFUSED.find((known) => known.name.test(name));
  if (refused) throw new ThawError("UNSUPPORTED", `${name}: ${refused.why}`);
  const known = NAMES.find((one) => one.name.test(name));
  if (known === undefined) throw new ThawError("UNSUPPORTED", `${name}: an image that thaw does not know`);
  const id = Number(known.name.exec(name)?.[1] ?? 0);
  if (known.kind === "ignored") return;
  if (known.kind === "pages") {
    found.pages.set(id, info.size);
    return;
  }
  if (info.size > MAX_IMAGE_BYTES) {
    throw new ThawError("UNSUPPORTED", `${name}: expected at most ${MAX_IMAGE_BYTES} bytes, got ${info.size}`);
  }
  READERS[known.kind]({ image: await readFile(path), name, id, found });
}

interface Source {
  readonly image: Uint8Array;
  readonly name: string;
  readonly id: number;
  readonly found: Found;
}

/** For a file of one entry that is found by its id. */
function one<T>(frame: Frame<T>, into: (found: Found) => Map<number, T>) {
  return ({ image, name, id, found }: Source) => {
    for (const { entry } of decodeImage(image, name, frame)) into(found).set(id, entry);
  };
}

/** For the only file of its kind. */
function all<T>(frame: Frame<T>, into: (found: Found) => T[]) {
  return ({ image, name, found }: Source) => {
    for (const { entry } of decodeImage(image, name, frame)) into(found).push(entry);
  };
}

/** The same with the bytes that follow the entries. */
function framed<T>(frame: Frame<T>, into: (found: Found) => Framed<T>[]) {
  return ({ image, name, found }: Source) => {
    for (const entry of decodeImage(image, name, frame)) into(found).push(entry);
  };
}

const READERS: Readonly<Record<keyof typeof FRAMES, (source: Source) => void>> = {
  inventory: all(FRAMES.inventory, (found) => found.inventory),
  pstree: all(FRAMES.pstree, (found) => found.pstree),
  core: one(FRAMES.core, (found) => found.core),
  ids: one(FRAMES.ids, (found) => found.ids),
  mm: one(FRAMES.mm, (found) => found.mm),
  pagemap: ({ image, name, id, found }) => {
    const { head, entries } = decodeWithHead(image, name, PAGEMAP_HEAD, FRAMES.pagemap);
    found.pagemap.set(id, { pagesId: head.pagesId, entries });
  },
  fdinfo: ({ image, name, id, found }) => {
    found.fdinfo.set(
      id,
      decodeImage(image, name, FRAMES.fdinfo).map(({ entry }) => entry),
    );
  },
  files: all(FRAMES.files, (found) => found.files),
  fs: one(FRAMES.fs, (found) => found.fs),
  seccomp: all(FRAMES.seccomp, (found) => found.seccomp),
  // The sandbox has cgroups of its own; decoded so that nothing in it goes unknown.
  cgroup: ({ image, name }) => void decodeImage(image, name, FRAMES.cgroup),
  timens: all(FRAMES.timens, (found) => found.timens),
  pipesData: framed(FRAMES.pipesData, (found) => found.pipesData),
  packets: framed(FRAMES.packets, (found) => found.packets),
  remaps: ({ image, name, found }) => {
    for (const { entry } of decodeImage(image, name, FRAMES.remaps)) found.remapped.add(entry.file);
  },
  fileLocks: all(FRAMES.fileLocks, (found) => found.fileLocks),
};
