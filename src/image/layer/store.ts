/**
 * Unpacked layers: `<layers>/<hex of the diff id>` is an overlayfs lower directory, complete or not there. A layer
 * is made in `<tmp>/layer-*` on the same file system, synced, and renamed; it is taken away by renaming it back
 * first. A crash at any moment leaves only `layer-*` directories, which `sweep` removes at start-up.
 */
import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdir, readdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { asThawError, errnoOf, ThawError } from "../../common/errors.ts";
import { execOk } from "../../common/exec.ts";
import type { Paths } from "../../common/paths.ts";
import { type ContentStore, type Digest, digestFromHex, digestHex, isDigest } from "../../content/index.ts";
import { fromOverlay } from "./from-overlay.ts";
import { archiveOf, extractTo } from "./gnu-tar.ts";
import { DEFAULT_LIMITS, type LayerLimits, toOverlay } from "./to-overlay.ts";

/** A layer that is in the content store and unpacked. */
export interface CommittedLayer {
  /** Digest of the uncompressed archive: the layer's name on disk and in image configs. */
  readonly diffId: Digest;
  /** Digest of the blob in the content store (the same, when the blob is not compressed). */
  readonly blob: Digest;
  /** Size of that blob in bytes. */
  readonly blobSize: number;
  /** Size of the uncompressed archive in bytes. */
  readonly size: number;
  readonly mediaType: string;
}

const PLAIN = "application/vnd.oci.image.layer.v1.tar";
const GZIP = "application/vnd.oci.image.layer.v1.tar+gzip";
const TEMPORARY = "layer-";

/** The unpacked layers of one data directory. */
export class LayerStore {
  readonly #content: ContentStore;
  readonly #paths: Pick<Paths, "layers" | "tmp">;
  readonly #limits: LayerLimits;

  constructor(content: ContentStore, paths: Pick<Paths, "layers" | "tmp">, limits: LayerLimits = DEFAULT_LIMITS) {
    this.#content = content;
    this.#paths = paths;
    this.#limits = limits;
  }

  /** Removes what a crash left half-made. */
  async sweep(): Promise<void> {
    const names = await readdir(this.#paths.tmp).catch(() => []);
    const left = names.filter((name) => name.startsWith(TEMPORARY));
    for (const name of left) await removeTree(join(this.#paths.tmp, name));
  }

  /** The directory of a layer, whether it is there or not. */
  path(diffId: Digest): string {
    return join(this.#paths.layers, digestHex(diffId));
  }

  async has(diffId: Digest): Promise<boolean> {
    return isDirectory(this.path(diffId));
  }

  /** The diff ids of all unpacked layers. */
  async list(): Promise<Digest[]> {
    const names = await readdir(this.#paths.layers).catch(() => []);
    return names.filter((name) => isDigest(`sha256:${name}`)).map(digestFromHex);
  }

  /**
   * A fresh directory under tmp for an upper directory or other work, mode 0755 (an upper's mode becomes the
   * root's). The caller removes it with `removeTree`; after a crash `sweep` does.
   */
  async temporary(): Promise<string> {
    await mkdir(this.#paths.tmp, { recursive: true });
    const path = join(this.#paths.tmp, `${TEMPORARY}${randomUUID()}`);
    await mkdir(path);
    await chmod(path, 0o755);
    return path;
  }

  /**
   * Unpacks a layer blob (tar, or tar + gzip) of the content store, unless it is unpacked already.
   * @throws ThawError BAD_ARCHIVE, DIGEST_MISMATCH (another diff id than expected), NO_SPACE; nothing is left then.
   */
  async unpack(blob: Digest, expected?: Digest, signal?: AbortSignal): Promise<CommittedLayer> {
    const stored = await this.#content.stat(blob);
    if (stored === undefined) throw new ThawError("PATH_NOT_FOUND", `layer ${blob} is not in the content store`);
    const directory = await this.temporary();
    try {
      const { diffId, size, gzip } = await this.#extract(blob, directory, signal);
      if (expected !== undefined && diffId !== expected) {
        throw new ThawError("DIGEST_MISMATCH", `layer ${blob} has the diff id ${diffId}, its config says ${expected}`);
      }
      await this.#publish(directory, diffId);
      return { diffId, blob, blobSize: stored.size, size, mediaType: gzip ? GZIP : PLAIN };
    } catch (error) {
      await removeTree(directory);
      throw asThawError(error);
    }
  }

  /**
   * Turns an upper directory (unmounted, made by `temporary`) into a layer. The directory is moved, not copied, and
   * is gone afterwards, whatever happens.
   */
  async commit(upper: string, signal?: AbortSignal): Promise<CommittedLayer> {
    try {
      let dropped = false;
      const archive = fromOverlay(archiveOf(upper, signal), () => {
        dropped = true;
      });
      const { digest, size } = await this.#content.put(archive, signal ? { signal } : {});
      // A device node is in the directory but not in the archive: then the archive is what counts.
      if (dropped) return await this.unpack(digest, digest, signal);
      await this.#publish(upper, digest);
      return { diffId: digest, blob: digest, blobSize: size, size, mediaType: PLAIN };
    } catch (error) {
      throw asThawError(error);
    } finally {
      await removeTree(upper);
    }
  }

  /** Removes an unpacked layer. */
  async remove(diffId: Digest): Promise<void> {
    await mkdir(this.#paths.tmp, { recursive: true });
    const grave = join(this.#paths.tmp, `${TEMPORARY}${randomUUID()}`);
    try {
      await rename(this.path(diffId), grave);
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return;
      throw asThawError(error);
    }
    await removeTree(grave);
  }

  async #extract(blob: Digest, directory: string, signal: AbortSignal | undefined) {
    const gzip = await startsLikeGzip(this.#content.path(blob));
    const stored = await this.#content.open(blob);
    const hash = createHash("sha256");
    let size = 0;
    async function* hashed(): AsyncGenerator<Uint8Array> {
      for await (const chunk of gzip ? gunzip(stored) : stored) {
        hash.update(chunk);
        size += chunk.byteLength;
        yield chunk;
      }
    }
    await extractTo(directory, toOverlay(hashed(), this.#limits), signal);
    return { diffId: digestFromHex(hash.digest("hex")), size, gzip };
  }

  /** Makes a complete directory visible under its diff id; an equal one that is there already wins. */
  async #publish(directory: string, diffId: Digest): Promise<void> {
    await mkdir(this.#paths.layers, { recursive: true });
    if (await this.has(diffId)) return removeTree(directory);
    // Without this a power cut could leave a complete-looking layer with empty files.
    await execOk(["sync", "-f", directory]);
    try {
      await rename(directory, this.path(diffId));
    } catch (error) {
      if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
      await removeTree(directory);
    }
  }
}

/** Removes a directory with all that is in it, names that are not UTF-8 included; missing is fine. */
export async function removeTree(path: string): Promise<void> {
  await execOk(["rm", "-rf", "--one-file-system", "--", path]);
}

async function* gunzip(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const input = Readable.from(source);
  const output = createGunzip();
  input.on("error", (error) => output.destroy(error));
  try {
    yield* input.pipe(output);
  } catch (cause) {
    throw new ThawError("BAD_ARCHIVE", "the layer's gzip stream is damaged", { cause });
  } finally {
    input.destroy();
    output.destroy();
  }
}

async function startsLikeGzip(path: string): Promise<boolean> {
  const [first, second] = await Bun.file(path).slice(0, 2).bytes();
  return first === 0x1f && second === 0x8b;
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
