/**
 * Reading a checkpoint that `podman container checkpoint --export` wrote, which may come from anywhere. Its files come
 * in any order and nothing has a digest: each is bounded, images are written under their own names into a private
 * directory, the writable layer is unpacked with the rules for image layers.
 */
import { createReadStream } from "node:fs";
import { readFile, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import { errnoOf, ThawError } from "../../common/errors.ts";
import { unpackUpper } from "../../image/layer/index.ts";
import { BLOCK, encodeHeader, padding, type TarHeader } from "../../image/tar/header.ts";
import { printable, readTar, type TarEntry } from "../../image/tar/reader.ts";
import { parseDumpStats } from "../engine/stats.ts";
import type { CheckpointDraft } from "../manifest.ts";
import { readDecompressed } from "./compression.ts";
import { PART } from "./format.ts";
import { clean, writeImage } from "./import.ts";
import { type PodmanContainer, podmanContainer } from "./podman-container.ts";
import { isReplaced, moveIntoSandbox } from "./podman-images.ts";

const MOST_ENTRIES = 20_000;
const MOST_TEXT_BYTES = 16 << 20;
/** How much larger than its file an archive may be: CRIU writes no pages of zeros. */
const MOST_EXPANSION = 100;
const SLACK_BYTES = 1 << 30;

const IMAGE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/;
const SHM = "devshm-checkpoint.tar";
const STREAMS = `${PART.images}descriptors.json`;
const TEXTS = new Set<string>([PART.config, PART.spec, PART.deleted, STREAMS]);

const Streams = z.tuple([z.string(), z.string(), z.string()]);
const Deleted = z.array(z.string().max(4096)).max(1_000_000).nullable();

/** What was found, besides the files. */
export interface PodmanCheckpoint {
  readonly container: PodmanContainer;
  readonly stdio: CheckpointDraft["stdio"];
  readonly frozenMs: number;
}

/**
 * Reads all of an archive into the directory of a checkpoint that is being made.
 * @throws ThawError BAD_ARCHIVE, INVALID, UNSUPPORTED, NO_SPACE.
 */
export async function readPodmanArchive(
  file: string,
  directory: string,
  signal: AbortSignal,
): Promise<PodmanCheckpoint> {
  const { size } = await stat(file);
  const reading = new Reading(directory, signal);
  let entries = 0;
  for await (const entry of readTar(readDecompressed(file, () => SLACK_BYTES + size * MOST_EXPANSION))) {
    signal.throwIfAborted();
    if (++entries > MOST_ENTRIES)
      throw new ThawError("BAD_ARCHIVE", `the archive has more than ${MOST_ENTRIES} entries`);
    if (entry.header.type !== "directory") await reading.take(clean(entry.header.name), entry);
  }
  return reading.finish();
}

class Reading {
  readonly #directory: string;
  readonly #signal: AbortSignal;
  readonly #texts = new Map<string, string>();

  constructor(directory: string, signal: AbortSignal) {
    this.#directory = directory;
    this.#signal = signal;
  }

  async take(name: string, entry: TarEntry): Promise<void> {
    if (entry.header.type !== "file") throw new ThawError("BAD_ARCHIVE", `${printable(name)} is no file`);
    if (name === PART.thaw) throw new ThawError("BAD_ARCHIVE", `${PART.thaw} is not the first file`);
    if (TEXTS.has(name)) this.#texts.set(name, await textOf(entry));
    else if (name === PART.rootfs) await this.#write(name, PART.rootfs, entry);
    else if (name === PART.stats) await this.#write(name, join("images", PART.stats), entry);
    else if (name === SHM) await refuseShm(entry);
    else if (name.startsWith(PART.images)) await this.#takeImage(name, entry);
  }

  async #takeImage(name: string, entry: TarEntry): Promise<void> {
    const image = name.slice(PART.images.length);
    if (!IMAGE_NAME.test(image)) throw new ThawError("BAD_ARCHIVE", `${printable(name)} is no image's name`);
    if (!isReplaced(image)) await this.#write(name, join("images", image), entry);
  }

  async #write(name: string, path: string, entry: TarEntry): Promise<void> {
    try {
      await writeImage(join(this.#directory, path), entry.body(), this.#signal);
    } catch (cause) {
      if (errnoOf(cause) === "EEXIST")
        throw new ThawError("BAD_ARCHIVE", `${printable(name)} is there twice`, { cause });
      throw cause;
    }
  }

  async finish(): Promise<PodmanCheckpoint> {
    const container = podmanContainer(this.#text(PART.config), this.#text(PART.spec));
    const streams = Streams.safeParse(parsed(STREAMS, this.#text(STREAMS))).data;
    if (streams === undefined) throw new ThawError("BAD_ARCHIVE", `${STREAMS}: expected three names`);
    await moveIntoSandbox(join(this.#directory, "images"));
    await this.#unpackLayer();
    const [stdin, stdout, stderr] = streams.map((stream) => (/^pipe:\[\d+\]$/.test(stream) ? stream : null));
    return { container, stdio: [stdin ?? null, stdout ?? null, stderr ?? null], frozenMs: await this.#frozenMs() };
  }

  async #unpackLayer(): Promise<void> {
    const file = join(this.#directory, PART.rootfs);
    const deleted = Deleted.safeParse(parsed(PART.deleted, this.#texts.get(PART.deleted) ?? "[]")).data;
    if (deleted === undefined) throw new ThawError("BAD_ARCHIVE", `${PART.deleted}: expected a list of paths`);
    await unpackUpper(join(this.#directory, "upper"), layerOf(file, deleted ?? []), this.#signal);
    await rm(file, { force: true });
  }

  async #frozenMs(): Promise<number> {
    const file = join(this.#directory, "images", PART.stats);
    const image = await readFile(file).catch(() => undefined);
    return image === undefined ? 0 : parseDumpStats(image).frozenMs;
  }

  #text(name: string): string {
    const text = this.#texts.get(name);
    if (text !== undefined) return text;
    throw new ThawError("BAD_ARCHIVE", `the archive has no ${name}`, {
      hint: "Archives of `thaw checkpoint export` and of `podman container checkpoint --export` can be imported.",
    });
  }
}

/** podman's list of what a container changed has no whiteouts: what it deleted is told beside it. */
async function* layerOf(file: string, deleted: readonly string[]): AsyncGenerator<Uint8Array> {
  const changed = await stat(file).catch(() => undefined);
  if (changed !== undefined) {
    for await (const { header, body } of readTar(createReadStream(file))) {
      yield encodeHeader(header);
      yield* body();
      yield new Uint8Array(padding(header.size));
    }
  }
  for (const path of deleted) yield encodeHeader(whiteout(Buffer.from(path, "utf8").toString("latin1")));
  yield new Uint8Array(2 * BLOCK);
}

function whiteout(path: string): TarHeader {
  const name = path.replace(/\/+$/, "");
  const at = name.length - basename(name).length;
  const common = { mode: 0, uid: 0, gid: 0, size: 0, mtime: "0", linkname: "", major: 0, minor: 0 };
  return { ...common, name: `${name.slice(0, at)}.wh.${name.slice(at)}`, type: "file", xattrs: new Map() };
}

async function refuseShm(entry: TarEntry): Promise<void> {
  for await (const { header } of readTar(entry.body())) {
    if (header.type === "directory") continue;
    throw new ThawError("UNSUPPORTED", `the container has ${printable(header.name)} in /dev/shm`, {
      hint: "Files of a container's tmpfs mounts are not taken along: make the checkpoint without them.",
    });
  }
}

async function textOf({ header, body }: TarEntry): Promise<string> {
  if (header.size > MOST_TEXT_BYTES) throw new ThawError("BAD_ARCHIVE", `${printable(header.name)} is too large`);
  const chunks: Uint8Array[] = [];
  for await (const chunk of body()) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThawError("BAD_ARCHIVE", `${name}: expected JSON`, { cause });
  }
}
