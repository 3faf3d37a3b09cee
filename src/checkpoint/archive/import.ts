/**
 * Reading a checkpoint's archive, which may come from anywhere: only files that thaw.json names are written, each under
 * a name of letters and digits in a private directory, each compared with its digest; everything else is read past or
 * refused. Nothing is a checkpoint before all of it is there.
 */
import { createHash, type Hash } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { unpackUpper } from "../../image/layer/index.ts";
import { printable, readTar, type TarEntry } from "../../image/tar/reader.ts";
import { readDecompressed } from "./compression.ts";
import { type Description, MOST_DESCRIPTION_BYTES, PART, parseDescription } from "./format.ts";

/** Headers, and what podman's archives have beside what thaw reads. */
const SLACK_BYTES = 64 * 1024 * 1024;

/** Entries that are no images. */
const OTHERS = 10_000;

/**
 * Reads all of an archive into the directory of a checkpoint that is being made.
 * @param accept  called with what the archive says, before anything of it is written; throws to refuse it.
 * @throws ThawError BAD_ARCHIVE, DIGEST_MISMATCH, UNSUPPORTED, NO_SPACE.
 */
export async function readArchive(
  file: string,
  directory: string,
  accept: (description: Description) => Promise<void>,
  signal: AbortSignal,
): Promise<Description> {
  let limit = MOST_DESCRIPTION_BYTES + SLACK_BYTES;
  const bytes = readDecompressed(file, () => limit);
  let reading: Reading | undefined;
  let entries = 0;
  for await (const entry of readTar(bytes)) {
    signal.throwIfAborted();
    if (++entries > OTHERS * 2) throw new ThawError("BAD_ARCHIVE", `the archive has more than ${OTHERS * 2} entries`);
    if (reading === undefined) {
      const description = parseDescription(await descriptionText(entry));
      await accept(description);
      limit = SLACK_BYTES + totalBytes(description);
      reading = new Reading(description, directory);
    } else {
      await reading.take(entry, signal);
    }
  }
  if (reading === undefined) throw new ThawError("BAD_ARCHIVE", "the archive is empty");
  return reading.finish();
}

/** Whether an archive is thaw's, which begins with its description. @throws ThawError BAD_ARCHIVE. */
export async function isOwn(file: string): Promise<boolean> {
  const bytes = readDecompressed(file, () => MOST_DESCRIPTION_BYTES + SLACK_BYTES);
  for await (const { header } of readTar(bytes)) return clean(header.name) === PART.thaw;
  throw new ThawError("BAD_ARCHIVE", "the archive is empty");
}

async function descriptionText(entry: TarEntry): Promise<string> {
  const { name, type, size } = entry.header;
  if (clean(name) !== PART.thaw || type !== "file") {
    throw new ThawError("BAD_ARCHIVE", `the archive begins with ${printable(name)}, expected ${PART.thaw}`);
  }
  if (size > MOST_DESCRIPTION_BYTES) throw new ThawError("BAD_ARCHIVE", `${PART.thaw} has ${size} bytes`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of entry.body()) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function totalBytes({ images, rootfs }: Description): number {
  return images.reduce((total, { size }) => total + size, rootfs.size);
}

/** Without what some archivers put in front. */
export function clean(name: string): string {
  return name.replace(/^\.\//, "");
}

/** The part of an archive behind its description. */
class Reading {
  readonly #description: Description;
  readonly #directory: string;
  readonly #missing: Set<string>;

  constructor(description: Description, directory: string) {
    this.#description = description;
    this.#directory = directory;
    this.#missing = new Set([PART.rootfs, ...description.images.map(({ name }) => `${PART.images}${name}`)]);
  }

  async take(entry: TarEntry, signal: AbortSignal): Promise<void> {
    const name = clean(entry.header.name);
    if (name === PART.thaw) throw new ThawError("BAD_ARCHIVE", `${PART.thaw} is there twice`);
    const image = this.#description.images.find((one) => `${PART.images}${one.name}` === name);
    if (name !== PART.rootfs && image === undefined) return this.#pass(name, entry);
    if (entry.header.type !== "file") throw new ThawError("BAD_ARCHIVE", `${printable(name)} is no file`);
    if (!this.#missing.delete(name)) throw new ThawError("BAD_ARCHIVE", `${printable(name)} is there twice`);
    const expected = image ?? this.#description.rootfs;
    if (entry.header.size !== expected.size) throw mismatch(name, `${expected.size} bytes`, `${entry.header.size}`);
    const hash = createHash("sha256");
    const body = hashing(entry.body(), hash);
    if (image === undefined) await unpackUpper(join(this.#directory, "upper"), body, signal);
    else await writeImage(join(this.#directory, "images", image.name), body, signal);
    // A layer's reader may stop at the end mark; the digest is of all that was sent.
    for await (const _ of body);
    const sha256 = hash.digest("hex");
    if (sha256 !== expected.sha256) throw mismatch(name, `sha256 ${expected.sha256}`, sha256);
  }

  finish(): Description {
    const [missing] = this.#missing;
    if (missing === undefined) return this.#description;
    throw new ThawError("BAD_ARCHIVE", `the archive ends without ${missing}`, {
      hint: "Copy it again: it may be cut.",
    });
  }

  /** An image that nobody named must not get to CRIU, and is a sign that something is wrong. */
  #pass(name: string, { header }: TarEntry): void {
    const known = !name.startsWith(PART.images) || header.type === "directory";
    if (!known) throw new ThawError("BAD_ARCHIVE", `${printable(name)} is not in ${PART.thaw}`);
  }
}

async function* hashing(source: AsyncIterable<Uint8Array>, hash: Hash): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    hash.update(chunk);
    yield chunk;
  }
}

/** Writes a file that does not exist yet, for root alone. */
export async function writeImage(file: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  const handle = await open(file, "wx", 0o600);
  try {
    for await (const chunk of content) {
      signal.throwIfAborted();
      await handle.write(chunk);
    }
  } finally {
    await handle.close();
  }
}

function mismatch(name: string, expected: string, got: string): ThawError {
  return new ThawError("DIGEST_MISMATCH", `${name}: expected ${expected}, got ${got}`, {
    hint: "The archive is damaged: copy it again.",
  });
}
