/** Writing a checkpoint's archive: the parts whose digests are not known yet are made first, then all goes out in one stream. */
import { createHash } from "node:crypto";
import { open, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asThawError, errnoOf, ThawError } from "../../common/errors.ts";
import { packUppers } from "../../image/layer/index.ts";
import { BLOCK, encodeHeader, padding } from "../../image/tar/header.ts";
import { specOf } from "../draft.ts";
import { type DigestedFile, digestFile } from "../files.ts";
import type { CheckpointManifest } from "../manifest.ts";
import { PAGE, PageTable } from "../pages/index.ts";
import { writeCompressed } from "./compression.ts";
import { archivedContainer } from "./container.ts";
import { archivedDraft, type Description, PART } from "./format.ts";
import { configDump, specDump } from "./podman.ts";

export interface ExportRequest {
  readonly manifest: CheckpointManifest;
  /** Directory of the checkpoint, its files verified. */
  readonly directory: string;
  /** Directory of all layers of images. */
  readonly layers: string;
  /** An empty directory for what is made on the way. */
  readonly scratch: string;
  /** Absolute; must not exist. */
  readonly file: string;
  readonly signal: AbortSignal;
}

/** What a part of the archive is made of. */
interface Part {
  readonly name: string;
  readonly size: number;
  readonly content: () => AsyncIterable<Uint8Array>;
}

const CHUNK = 1 << 20;

/**
 * Writes the archive, zstd-compressed unless its name ends in .tar, .tar.gz or .tgz.
 * @returns the archive's own digest and size. @throws ThawError UNSUPPORTED, IN_USE, NO_SPACE, PATH_NOT_FOUND, CANCELLED.
 */
export async function writeArchive(request: ExportRequest): Promise<DigestedFile> {
  const parts = await partsOf(request);
  try {
    await writeCompressed(request.file, tarOf(parts), request.signal);
  } catch (error) {
    throw await failed(request.file, error);
  }
  return digestFile(request.file);
}

async function failed(file: string, error: unknown): Promise<ThawError> {
  if (errnoOf(error) === "EEXIST") {
    return new ThawError("NAME_IN_USE", `${file} exists already`, { hint: "Choose another name, or remove it first." });
  }
  if (errnoOf(error) === "ENOENT") {
    return new ThawError("PATH_NOT_FOUND", `${dirname(file)} does not exist`, { hint: "Create it first." });
  }
  await rm(file, { force: true });
  return asThawError(error);
}

async function partsOf({ manifest, directory, layers, scratch, signal }: ExportRequest): Promise<Part[]> {
  const spec = specOf(manifest);
  const container = archivedContainer(spec);
  const rootfs = join(scratch, PART.rootfs);
  const uppers = [join(directory, "upper"), ...spec.lowers.filter((lower) => isUpper(lower, dirname(directory)))];
  const deleted = await writeRootfs(uppers, rootfs, signal);
  const images = await imagesOf(directory, manifest, signal);
  const description: Description = {
    version: 1,
    checkpoint: archivedDraft(manifest),
    container,
    layers: layersOf(spec.lowers, layers),
    images: images.map(({ part, sha256 }) => ({ name: basename(part.name), size: part.size, sha256 })),
    rootfs: await digestFile(rootfs),
  };
  const stats = images.find(({ part }) => part.name === `${PART.images}${PART.stats}`)?.part;
  return [
    textPart(PART.thaw, `${JSON.stringify(description, undefined, 2)}\n`),
    textPart(PART.config, configDump(manifest, container)),
    textPart(PART.spec, specDump(container)),
    textPart(PART.network, "null"),
    ...(deleted.length === 0 ? [] : [textPart(PART.deleted, JSON.stringify(deleted))]),
    { name: PART.rootfs, size: description.rootfs.size, content: () => chunks(rootfs) },
    ...(stats === undefined ? [] : [{ ...stats, name: PART.stats }]),
    ...images.map(({ part }) => part),
  ];
}

/** A restored container has the writable layers of the checkpoints that it comes from on top of its image's. */
function isUpper(lower: string, checkpoints: string): boolean {
  return basename(lower) === "upper" && dirname(dirname(lower)) === checkpoints;
}

/** @returns the paths of whiteouts. */
async function writeRootfs(uppers: readonly string[], file: string, signal: AbortSignal): Promise<string[]> {
  const dropped: string[] = [];
  const deleted: string[] = [];
  const layer = packUppers(uppers, {
    onDropped: (path) => dropped.push(path),
    onDeleted: (path) => deleted.push(path),
    signal,
  });
  await writeFile(file, layer, { mode: 0o600 });
  if (dropped.length === 0) return deleted;
  throw new ThawError("UNSUPPORTED", `device nodes in the writable layer cannot be exported: ${dropped.join(", ")}`, {
    hint: "Make them again when the container is restored, or give the container its devices with --device.",
  });
}

/** A pages file's digest is of all its pages, wherever they are stored. */
async function imagesOf(directory: string, { files }: CheckpointManifest, signal: AbortSignal) {
  const table = await PageTable.open(directory);
  const plain = files.filter(({ path }) => path.startsWith("images/"));
  const images = plain.map(({ path, size, sha256 }) => {
    const content = () => chunks(join(directory, path));
    return { part: { name: `${PART.images}${basename(path)}`, size, content }, sha256 };
  });
  for (const name of table.gathered) {
    const pages = table.pagesOf(name);
    const content = () => gathered(directory, table, name, pages);
    const hash = createHash("sha256");
    for await (const chunk of content()) {
      signal.throwIfAborted();
      hash.update(chunk);
    }
    images.push({ part: { name: `${PART.images}${name}`, size: pages * PAGE, content }, sha256: hash.digest("hex") });
  }
  return images;
}

function layersOf(lowers: readonly string[], layers: string): string[] {
  return lowers.filter((lower) => dirname(lower) === layers).map((lower) => basename(lower));
}

function textPart(name: string, text: string): Part {
  const bytes = Buffer.from(text);
  return {
    name,
    size: bytes.length,
    content: async function* () {
      yield bytes;
    },
  };
}

async function* chunks(file: string, first = 0, length = Number.POSITIVE_INFINITY): AsyncGenerator<Uint8Array> {
  const handle = await open(file, "r");
  try {
    for (let done = 0; done < length; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, length - done));
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, first + done);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      done += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

async function* gathered(directory: string, table: PageTable, name: string, pages: number): AsyncGenerator<Uint8Array> {
  for (const run of table.runs(name, 0, pages)) {
    if (run.zeros) yield* zeros(run.pages * PAGE);
    else yield* chunks(join(directory, run.file), run.first * PAGE, run.pages * PAGE);
  }
}

async function* zeros(length: number): AsyncGenerator<Uint8Array> {
  for (let done = 0; done < length; done += CHUNK) yield new Uint8Array(Math.min(CHUNK, length - done));
}

async function* tarOf(parts: readonly Part[]): AsyncGenerator<Uint8Array> {
  const common = { uid: 0, gid: 0, mtime: "0", linkname: "", major: 0, minor: 0, xattrs: new Map<string, string>() };
  for (const { name, size, content } of parts) {
    yield encodeHeader({ ...common, name, size, type: "file", mode: 0o600 });
    let written = 0;
    for await (const chunk of content()) {
      written += chunk.length;
      yield chunk;
    }
    if (written !== size) throw new ThawError("INTERNAL", `${name}: expected ${size} bytes, read ${written}`);
    if (padding(size) > 0) yield new Uint8Array(padding(size));
  }
  yield new Uint8Array(2 * BLOCK);
}
