/**
 * Content by digest, under `<content>/blobs/sha256/<hex>`. A blob is written to a name of its own in
 * `<content>/ingest`, hashed on the way, synced, and only then renamed to its digest: whoever can see a blob
 * sees all of it, verified. A crash leaves nothing but files in `ingest`, which `sweep` removes at start-up.
 */
import { createHash, randomUUID } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { asThawError, errnoOf, ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { type Digest, digestFromHex, digestHex, isDigest } from "./digest.ts";

/** What `put` made or found: the content's digest and its size in bytes. */
export interface Blob {
  readonly digest: Digest;
  readonly size: number;
}

export interface PutOptions {
  /** Refuse content whose digest is another. */
  readonly expected?: Digest;
  /** Refuse content with more bytes than this. */
  readonly maxBytes?: number;
  /** Stops the writing; nothing is left of it. */
  readonly signal?: AbortSignal;
}

export type BlobSource = Uint8Array | AsyncIterable<Uint8Array>;

/** A content-addressed store of blobs on disk. */
export class ContentStore {
  readonly #blobs: string;
  readonly #ingest: string;

  constructor(paths: Pick<Paths, "content">) {
    this.#blobs = join(paths.content, "blobs", "sha256");
    this.#ingest = join(paths.content, "ingest");
  }

  /** Removes what a crash left half-written. Call it once, before the first `put`. */
  async sweep(): Promise<void> {
    await rm(this.#ingest, { recursive: true, force: true });
  }

  /** The file of a blob, whether it is there or not. */
  path(digest: Digest): string {
    return join(this.#blobs, digestHex(digest));
  }

  /**
   * Stores the bytes of `source` and returns their digest and size.
   * @throws ThawError DIGEST_MISMATCH, NO_SPACE, BAD_ARCHIVE (more than `maxBytes`); then nothing was stored.
   */
  async put(source: BlobSource, options: PutOptions = {}): Promise<Blob> {
    const temporary = join(this.#ingest, randomUUID());
    try {
      await mkdir(this.#ingest, { recursive: true });
      await mkdir(this.#blobs, { recursive: true });
      const blob = await writeVerified(temporary, source, options);
      await rename(temporary, this.path(blob.digest));
      await syncDirectory(this.#blobs);
      return blob;
    } catch (error) {
      await rm(temporary, { force: true });
      throw asThawError(error);
    }
  }

  /** Whether the blob is here. */
  async has(digest: Digest): Promise<boolean> {
    return (await this.stat(digest)) !== undefined;
  }

  /** The blob's size, or undefined when it is not here. */
  async stat(digest: Digest): Promise<Blob | undefined> {
    try {
      return { digest, size: (await stat(this.path(digest))).size };
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw asThawError(error);
    }
  }

  /** The blob as a stream of chunks. @throws ThawError PATH_NOT_FOUND when it is not here. */
  async open(digest: Digest): Promise<ReadableStream<Uint8Array>> {
    await this.#require(digest);
    return Bun.file(this.path(digest)).stream();
  }

  /** All of a small blob (a manifest, a config). @throws ThawError PATH_NOT_FOUND when it is not here. */
  async read(digest: Digest): Promise<Uint8Array> {
    await this.#require(digest);
    return Bun.file(this.path(digest)).bytes();
  }

  /** Removes a blob; true when there was one. */
  async delete(digest: Digest): Promise<boolean> {
    try {
      await rm(this.path(digest));
      return true;
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return false;
      throw asThawError(error);
    }
  }

  /** The digests of all blobs, in no order. */
  async list(): Promise<Digest[]> {
    const names = await readdir(this.#blobs).catch((error: unknown) => {
      if (errnoOf(error) === "ENOENT") return [];
      throw asThawError(error);
    });
    return names.filter((name) => isDigest(`sha256:${name}`)).map(digestFromHex);
  }

  async #require(digest: Digest): Promise<void> {
    if (await this.has(digest)) return;
    throw new ThawError("PATH_NOT_FOUND", `blob ${digest} is not in the content store`, {
      hint: "The data directory was changed from outside; remove the image that needs it and build it again.",
    });
  }
}

async function writeVerified(path: string, source: BlobSource, options: PutOptions): Promise<Blob> {
  const file = await open(path, "wx", 0o644);
  try {
    const blob = await writeHashed(file, source, options);
    if (options.expected !== undefined && options.expected !== blob.digest) {
      throw new ThawError("DIGEST_MISMATCH", `expected content ${options.expected}, got ${blob.digest}`, {
        hint: "The content was damaged or changed on its way; fetch it again.",
      });
    }
    await file.sync();
    return blob;
  } finally {
    await file.close();
  }
}

async function writeHashed(file: FileHandle, source: BlobSource, options: PutOptions): Promise<Blob> {
  const hash = createHash("sha256");
  let size = 0;
  for await (const chunk of source instanceof Uint8Array ? [source] : source) {
    options.signal?.throwIfAborted();
    size += chunk.byteLength;
    if (options.maxBytes !== undefined && size > options.maxBytes) {
      throw new ThawError("BAD_ARCHIVE", `content is larger than the ${options.maxBytes} bytes allowed`);
    }
    hash.update(chunk);
    await writeAll(file, chunk);
  }
  return { digest: digestFromHex(hash.digest("hex")), size };
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let rest = chunk;
  // A nearly full disk takes part of a chunk first and fails on the rest.
  while (rest.byteLength > 0) {
    const { bytesWritten } = await file.write(rest);
    rest = rest.subarray(bytesWritten);
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
