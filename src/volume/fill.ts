/**
 * A fresh volume begins with what the image has where the volume is shown: its files, and the owner and mode of that
 * directory. The copy is made aside and moved in entry by entry, so a container that has the volume already sees whole
 * files. Paths of the image are resolved within its own layers.
 */
import { randomUUID } from "node:crypto";
import { chmod, chown, mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Paths } from "../common/paths.ts";
import { MergedView } from "../image/index.ts";
import { exportRootfs } from "../rootfs/index.ts";

/**
 * Fills the directory `to` from `target` of the root made of `lowers` (top first), if it is empty and there is one.
 * @throws ThawError NO_SPACE, INVALID for a target that cannot be resolved.
 */
export async function fillVolume(
  to: string,
  target: string,
  lowers: readonly string[],
  { tmp }: Pick<Paths, "tmp">,
): Promise<void> {
  if ((await readdir(to)).length > 0) return;
  const { path, found, missing } = await new MergedView(lowers).resolve(target);
  if (missing.length > 0 || path === "" || !found.stats.isDirectory()) return;
  await mkdir(tmp, { recursive: true });
  const aside = join(tmp, `fill-${randomUUID()}`);
  try {
    await exportRootfs(lowers, aside, undefined, path);
    const { uid, gid, mode } = await stat(aside);
    await chown(to, uid, gid);
    await chmod(to, mode & 0o7777);
    for (const name of await readdir(aside)) await rename(join(aside, name), join(to, name));
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
