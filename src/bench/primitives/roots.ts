/**
 * Figures 1 and 2: what a root costs. An overlay with its writable layer on disk or in memory, an overlay that is only
 * read, a bind, and a copy of the same small tree; overlays of more and more layers; and new mount namespaces, which
 * are copies of the old one, against the number of mounts in it.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Case, Settings } from "./measure.ts";

const TREE_DIRECTORIES = 20;
const FILES_EACH = 20;
const FILE_BYTES = 4096;
const STEPS = ["make", "undo"];

/** A directory with l0 ... for the layers, and what the launcher mounts on. */
async function makeTrees(directory: string, layers: number): Promise<void> {
  const file = new Uint8Array(FILE_BYTES).fill(1);
  for (let d = 0; d < TREE_DIRECTORIES; d++) {
    const at = join(directory, "l0", `directory${d}`);
    await mkdir(at, { recursive: true });
    for (let f = 0; f < FILES_EACH; f++) await writeFile(join(at, `file${f}`), file);
  }
  for (let layer = 1; layer < layers; layer++) {
    await mkdir(join(directory, `l${layer}`), { recursive: true });
    await writeFile(join(directory, `l${layer}`, `file${layer}`), file);
  }
  for (const name of ["merged", "upper", "work", "scratch"]) await mkdir(join(directory, name), { recursive: true });
}

const WAYS = [
  { how: "bind", name: "bind" },
  { how: "overlay-ro", name: "overlay, read-only" },
  { how: "overlay-tmpfs", name: "overlay, writable layer on tmpfs" },
  { how: "overlay", name: "overlay, writable layer on disk" },
  { how: "copy", name: `copy of ${TREE_DIRECTORIES * FILES_EACH} files` },
];

/** Makes the trees; gives the cases and the way to remove the trees. */
export async function rootCases({ directory }: Settings, layers: readonly number[]) {
  const trees = join(directory, "trees");
  await makeTrees(trees, Math.max(2, ...layers));
  const one = (how: string, name: string, size: number, paced: boolean): Case => ({
    figure: "roots",
    name,
    argv: ["mount", "--how", how, "--dir", trees, "--size", String(size)],
    steps: STEPS,
    paced,
    params: { how, layers: size },
  });
  const cases = [
    ...WAYS.flatMap(({ how, name }) => [one(how, name, 1, false), one(how, name, 1, true)]),
    ...layers.map((size) => one("overlay-tmpfs", `overlay of ${size} ${size === 1 ? "layer" : "layers"}`, size, false)),
  ];
  return { cases, remove: () => rm(trees, { recursive: true, force: true }) };
}

/** New mount namespaces beside `mounts` mounts. */
export async function mountNamespaceCases({ directory }: Settings, mounts: readonly number[]) {
  const at = join(directory, "cover");
  await mkdir(at, { recursive: true });
  const cases = mounts.map(
    (size): Case => ({
      figure: "mount-namespaces",
      name: size === 1 ? "1 mount" : `${size} mounts`,
      argv: ["unshare", "--dir", at, "--size", String(size)],
      steps: STEPS,
      params: { mounts: size },
    }),
  );
  return { cases, remove: () => rm(at, { recursive: true, force: true }) };
}
