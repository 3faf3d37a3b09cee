/**
 * Who needs an image: the containers, checkpoints and services whose root is made of exactly its layers. The image's
 * name is not asked: it may belong to another image by now.
 */
import { dirname } from "node:path";
import { z } from "zod";
import type { VolumeUser } from "../container/index.ts";
import type { Digest } from "../content/index.ts";
import type { Image } from "../image/index.ts";

const withLowers = z.object({ lowers: z.array(z.string()) });

/** Something that has a root: what to call it, and its lower directories, top first. */
export interface RootUser {
  readonly words: string;
  readonly lowers: readonly string[];
}

/** The lower directories that a checkpoint's recorded container has. */
export function recordedLowers(container: unknown): readonly string[] {
  const parsed = withLowers.safeParse(container);
  return parsed.success ? parsed.data.lowers : [];
}

const withBinds = z.object({
  binds: z.array(
    z.object({ source: z.string(), target: z.string(), readonly: z.boolean(), volume: z.string().optional() }),
  ),
});

/** The volumes of a checkpoint's recorded container, which a restore shows again. */
export function checkpointBinds(name: string, container: unknown): VolumeUser {
  const parsed = withBinds.safeParse(container);
  return { words: `the checkpoint ${name}`, binds: parsed.success ? parsed.data.binds : [] };
}

/** Those of `users` whose root has exactly the image's layers (`layers`: the directory of all layers). */
export function usersOf(
  image: Image,
  layers: string,
  pathOf: (layer: Digest) => string,
  users: Iterable<RootUser>,
): string[] {
  const wanted = image.layers.map(pathOf).reverse().join("\n");
  const layersOf = ({ lowers }: RootUser) => lowers.filter((lower) => dirname(lower) === layers).join("\n");
  return [...users].filter((user) => wanted !== "" && layersOf(user) === wanted).map(({ words }) => words);
}
