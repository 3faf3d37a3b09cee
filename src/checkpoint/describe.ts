/** A checkpoint as it is shown. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../common/errors.ts";
import type { CheckpointManifest } from "./manifest.ts";
import type { CheckpointInfo } from "./types.ts";

/** Bytes on the disk. */
export interface StoredBytes {
  readonly storedBytes: number;
  /** Those among them that other checkpoints need, too. */
  readonly sharedBytes: number;
}

/** One of the names of a pack is not a checkpoint's but the one by which it is found. */
const NAMES_IN_STORE = 1;

/** What a checkpoint's directory takes; nothing when it is gone. */
export async function storedIn(directory: string): Promise<StoredBytes> {
  const files = new Map<string, { bytes: number; links: number; names: number }>();
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch((error) => {
    if (errnoOf(error) !== "ENOENT") throw error;
    return [];
  });
  for (const entry of entries) {
    const { dev, ino, blocks, nlink } = await lstat(join(entry.parentPath, entry.name));
    const key = `${dev}:${ino}`;
    const names = (files.get(key)?.names ?? 0) + 1;
    const pack = /^[0-9a-f]{64}$|^pages-.*\.img$/.test(entry.name) && entry.isFile();
    files.set(key, { bytes: blocks * 512, links: pack ? nlink : 0, names });
  }
  const all = [...files.values()];
  const shared = all.filter(({ links, names }) => links > names + NAMES_IN_STORE);
  const total = (some: readonly { bytes: number }[]) => some.reduce((sum, { bytes }) => sum + bytes, 0);
  return { storedBytes: total(all), sharedBytes: total(shared) };
}

/** All that is told but what depends on this machine. */
export function describe(manifest: CheckpointManifest, stored: StoredBytes): Omit<CheckpointInfo, "incompatibilities"> {
  const { id, name, createdAt, image, containerName, engine, reasons, frozenMs, pagesBytes, summary, facts } = manifest;
  const sizeBytes = manifest.imagesBytes + manifest.upperBytes;
  const made = { id, name, createdAt, image, containerName, engine, reasons, frozenMs };
  return { ...made, sizeBytes, pagesBytes, ...stored, ...summary, machine: facts };
}
