/** The files of a checkpoint on disk: listing with digests, checking them, making them durable. */
import { createHash } from "node:crypto";
import { chmod, lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf, ThawError } from "../common/errors.ts";
import { execOk } from "../common/exec.ts";
import type { CheckpointFile } from "./manifest.ts";

/** Directories whose files are listed and verified. */
const LISTED_FOLDERS = ["images", "compiled", "pages", "packs"];

/** What a file's content is. */
export interface DigestedFile {
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
}

/**
 * Seals the files in the listed folders: mode 0600, digests computed but for those that are known.
 * @throws ThawError CHECKPOINT_FAILED when there is anything but regular files.
 */
export async function sealFiles(
  directory: string,
  known: ReadonlyMap<string, DigestedFile> = new Map(),
): Promise<CheckpointFile[]> {
  const files: CheckpointFile[] = [];
  for (const path of await listFiles(directory)) {
    const file = join(directory, path);
    if (!(await lstat(file)).isFile()) throw new ThawError("CHECKPOINT_FAILED", `${path}: expected a regular file`);
    await chmod(file, 0o600);
    files.push({ path, ...(known.get(path) ?? (await digestFile(file))) });
  }
  return files;
}

/**
 * Compares the files in `directory` with the list.
 * @throws ThawError DIGEST_MISMATCH naming the first file that is missing, different or not listed.
 */
export async function verifyFiles(directory: string, files: readonly CheckpointFile[]): Promise<void> {
  const listed = new Set(files.map((file) => file.path));
  // Logs and statistics may lie beside the images; an image that nobody listed must not be read by CRIU.
  for (const path of await listFiles(directory)) {
    if (path.endsWith(".img") && !listed.has(path)) throw mismatch(path, "expected no such file", "one");
  }
  const digests = new Map<string, DigestedFile>();
  for (const { path, size, sha256 } of files) {
    const found = await digestOnce(join(directory, path), digests).catch(ignoreMissing);
    if (found === undefined) throw mismatch(path, `expected ${size} bytes`, "no such file");
    if (found.size !== size) throw mismatch(path, `expected ${size} bytes`, `${found.size}`);
    if (found.sha256 !== sha256) throw mismatch(path, `expected sha256 ${sha256}`, found.sha256);
  }
}

/** Bytes on disk of all files below `directory`, hard links counted once. */
export async function treeBytes(directory: string): Promise<number> {
  const seen = new Set<string>();
  let total = 0;
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const { dev, ino, blocks } = await lstat(join(entry.parentPath, entry.name));
    if (!seen.has(`${dev}:${ino}`)) total += blocks * 512;
    seen.add(`${dev}:${ino}`);
  }
  return total;
}

/** Makes everything on the file system of `directory` survive a power cut, in one go. */
export async function syncFileSystem(directory: string): Promise<void> {
  await execOk(["sync", "--file-system", directory]);
}

/** Names in a directory; none when it does not exist. */
export async function entriesOf(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(ignoreMissing)) ?? [];
}

/** Whether `path` is a directory. */
export async function isDirectory(path: string): Promise<boolean> {
  return (await lstat(path).catch(ignoreMissing))?.isDirectory() ?? false;
}

/** Paths of all files below the listed folders, relative to `directory`, sorted. */
async function listFiles(directory: string): Promise<string[]> {
  const names = async (folder: string) =>
    (await entriesOf(join(directory, folder))).sort().map((name) => `${folder}/${name}`);
  return (await Promise.all(LISTED_FOLDERS.map(names))).flat();
}

/** The digest of a file that may have several names in `directory`. */
async function digestOnce(file: string, known: Map<string, DigestedFile>): Promise<DigestedFile> {
  const { dev, ino } = await lstat(file);
  const key = `${dev}:${ino}`;
  const digest = known.get(key) ?? (await digestFile(file));
  known.set(key, digest);
  return digest;
}

/** Reads all of a file. */
export async function digestFile(file: string): Promise<DigestedFile> {
  const hash = createHash("sha256");
  const handle = await open(file, "r");
  try {
    const buffer = Buffer.allocUnsafe(1 << 20);
    let size = 0;
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length, size);
      if (bytesRead === 0) return { size, sha256: hash.digest("hex") };
      hash.update(buffer.subarray(0, bytesRead));
      size += bytesRead;
    }
  } finally {
    await handle.close();
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== "ENOENT") throw error;
  return undefined;
}

function mismatch(path: string, expected: string, got: string): ThawError {
  return new ThawError("DIGEST_MISMATCH", `checkpoint file ${path}: ${expected}, got ${got}`, {
    hint: "The checkpoint is damaged; remove it (thaw checkpoint rm) and make it again.",
  });
}
