/**
 * Root file systems made of layers: which directories a container's overlay stacks, and copies of the result.
 */
import type { Paths } from "../common/paths.ts";
import type { Image, ImageStore } from "../image/index.ts";
import { initLayerDir } from "./init-layer.ts";

export { exportRootfs } from "./export.ts";
export { initLayerDir } from "./init-layer.ts";

/** The read-only directories of a root, top first; the last is thaw's init layer. */
export interface RootfsSpec {
  readonly lowers: string[];
}

/** The root of a container of `image`. */
export async function imageRootfs(store: ImageStore, image: Image, paths: Paths): Promise<RootfsSpec> {
  return { lowers: [...store.lowers(image), await initLayerDir(paths)] };
}

/** The root of a container that runs out of a directory of the user (`thaw run --rootfs`). */
export async function directoryRootfs(directory: string, paths: Paths): Promise<RootfsSpec> {
  return { lowers: [directory, await initLayerDir(paths)] };
}
