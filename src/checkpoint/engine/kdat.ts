/**
 * CRIU keeps what it found out about the kernel in /run/criu.kdat, and reads it there at every start; without it a
 * restore takes three times as long. It runs in the container's root, so the file has to be in the lowest layer of
 * every root.
 */
import { chmod, copyFile, mkdir, rename } from "node:fs/promises";
import { join } from "node:path";

/**
 * Puts the feature cache into the layer below every container. To be called before the first container starts: an
 * overlay does not have to see what changes below it.
 */
export async function placeKdat(kdat: string, initLayer: string): Promise<void> {
  const run = join(initLayer, "run");
  const temporary = join(run, `.criu.kdat.${process.pid}`);
  await mkdir(run, { recursive: true });
  await copyFile(kdat, temporary);
  await chmod(temporary, 0o600);
  await rename(temporary, join(run, "criu.kdat"));
}
