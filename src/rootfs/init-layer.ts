/**
 * The layer below every container: the empty mount points that a runtime needs, so that an image without them (or a
 * bare directory) can be started too. Being the lowest, it never changes what an image has.
 */
import { randomUUID } from "node:crypto";
import { chmod, mkdir, open, rename, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { removeTree } from "../image/index.ts";

const DIRECTORIES: readonly (readonly [string, number])[] = [
  ["proc", 0o555],
  ["sys", 0o555],
  ["dev", 0o755],
  ["run", 0o755],
  ["tmp", 0o1777],
  ["etc", 0o755],
];
const FILES = ["etc/hosts", "etc/hostname", "etc/resolv.conf"];

/** The init layer's directory, made if it is not there. Safe to call at any time, also twice at once. */
export async function initLayerDir(paths: Pick<Paths, "data" | "tmp">): Promise<string> {
  const directory = join(paths.data, "init-layer");
  if (await stat(directory).catch(() => undefined)) return directory;
  await mkdir(paths.tmp, { recursive: true });
  const temporary = join(paths.tmp, `init-layer-${randomUUID()}`);
  try {
    await fill(temporary);
    await rename(temporary, directory);
  } catch (error) {
    await removeTree(temporary);
    // Somebody else was faster.
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
  }
  return directory;
}

async function fill(root: string): Promise<void> {
  await mkdir(root);
  await chmod(root, 0o755);
  for (const [name, mode] of DIRECTORIES) {
    await mkdir(join(root, name));
    await chmod(join(root, name), mode);
  }
  for (const name of FILES) {
    const file = await open(join(root, name), "wx");
    await file.chmod(0o644);
    await file.sync();
    await file.close();
  }
}
