/**
 * thaw's own base images, `thaw/debian` and `thaw/python`: made when a build first asks for them, then local
 * images like any other.
 */
import { createReadStream } from "node:fs";
import { rm } from "node:fs/promises";
import { createZstdDecompress } from "node:zlib";
import type { Paths } from "../../common/paths.ts";
import { hostArchitecture, type ImageConfig } from "../oci.ts";
import type { Image, ImageStore } from "../store.ts";
import { baseArchive, type ProgressOptions } from "./make.ts";
import { type Recipe, recipeDigest, recipeFor } from "./recipes.ts";

export { isBuiltinBase } from "./recipes.ts";

const RECIPE_LABEL = "thaw.recipe";

/**
 * The base image of that name: the one that is here, or a new one when there is none or its recipe has changed. An
 * image that the user gave the name is left alone.
 * @throws ThawError DEPENDENCY_MISSING, BUILD_FAILED, NO_SPACE, CANCELLED, UNSUPPORTED_MACHINE
 */
export async function ensureBase(
  store: ImageStore,
  paths: Pick<Paths, "cache">,
  name: string,
  options: ProgressOptions = {},
): Promise<Image> {
  const here = store.find(name);
  const madeBy = here?.config.config.Labels?.[RECIPE_LABEL];
  if (here !== undefined && madeBy === undefined) return here;
  const recipe = await recipeFor(name);
  if (here !== undefined && madeBy === recipeDigest(recipe)) return here;
  return importBase(store, paths, recipe, options);
}

async function importBase(store: ImageStore, paths: Pick<Paths, "cache">, recipe: Recipe, options: ProgressOptions) {
  return store.holding(async () => {
    const archive = await baseArchive(recipe, paths, options);
    options.onProgress?.(`Importing ${recipe.reference}`);
    const signal = options.signal ? { signal: options.signal } : {};
    const tar = createReadStream(archive).pipe(createZstdDecompress());
    const { digest } = await store.content.put(tar, signal).catch(async (error: unknown) => {
      // A damaged archive is made again by the next build.
      if (error instanceof Error && "cause" in error && isZstdError(error.cause)) await rm(archive, { force: true });
      throw error;
    });
    const layer = await store.layerStore.unpack(digest, digest, options.signal);
    return store.add(baseConfig(recipe, layer.diffId), [layer], recipe.reference);
  });
}

function isZstdError(error: unknown): boolean {
  return error instanceof Error && "code" in error && String(error.code).startsWith("ZSTD_");
}

function baseConfig(recipe: Recipe, diffId: ImageConfig["rootfs"]["diff_ids"][number]): ImageConfig {
  const created = new Date().toISOString();
  return {
    created,
    architecture: hostArchitecture(),
    os: "linux",
    config: {
      Env: [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        ...(recipe.packages.includes("python3") ? ["PYTHONUNBUFFERED=1"] : []),
      ],
      Cmd: [...recipe.command],
      Labels: { [RECIPE_LABEL]: recipeDigest(recipe) },
    },
    rootfs: { type: "layers", diff_ids: [diffId] },
    history: [
      { created, created_by: `mmdebstrap --variant=minbase ${recipe.suite} ${recipe.packages.join(" ")}`.trim() },
    ],
  };
}
