/**
 * Figure 5: getting a process into its cgroups. Leaves made for it and removed afterwards, or reused; by the child
 * writing into `tasks`, by the parent writing into `cgroup.procs`, or by making the child inside (v2); in each
 * hierarchy by itself and in all; back to back and paced, because a move waits for an RCU grace period that only
 * shows when nothing else keeps those short.
 */
import { mkdir, readFile, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { Cgroups, detectCgroups } from "../../sandbox/index.ts";
import type { Case, Settings } from "./measure.ts";

interface Tree {
  readonly name: string;
  readonly directory: string;
}

/** Makes the parents of the leaves; gives the cases and the way to remove the parents. */
export async function cgroupCases({ directory }: Settings) {
  const layout = detectCgroups();
  const cgroups = new Cgroups(layout, directory);
  await cgroups.prepare();
  const parents = cgroups.leaves("measure").map((leaf) => dirname(leaf));
  const trees = parents.map((parent): Tree => ({ name: basename(dirname(parent)), directory: parent }));
  const unified = await unifiedParent(cgroups.parent);
  if (unified !== undefined) await mkdir(unified.directory, { recursive: true });
  const cases = [...(layout.version === 1 ? v1Cases(trees) : []), ...(unified === undefined ? [] : v2Cases(unified))];
  const remove = async () => {
    if (unified !== undefined) await rmdir(unified.directory).catch(() => {});
    await cgroups.removeParents();
  };
  return { cases, remove };
}

async function unifiedParent(name: string): Promise<Tree | undefined> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  const mount = mounts.find(([, , fstype]) => fstype === "cgroup2")?.[1];
  return mount === undefined ? undefined : { name: "v2", directory: join(mount, name) };
}

function both(name: string, how: string, trees: readonly Tree[], fresh: boolean): Case[] {
  return [false, true].map((paced) => ({
    figure: "cgroups",
    name: `${name}, ${fresh ? "fresh" : "reused"}, ${how}`,
    argv: [
      "cgroup",
      "--how",
      how,
      ...(fresh ? ["--fresh"] : []),
      ...trees.flatMap((tree) => ["--dir", tree.directory]),
    ],
    // Without fresh leaves nothing is made and removed.
    steps: fresh ? ["make", "join", "remove"] : ["", "join", ""],
    paced,
    params: { hierarchy: name, how, leaf: fresh ? "fresh" : "reused" },
  }));
}

function v1Cases(trees: readonly Tree[]): Case[] {
  const all = `all ${trees.length}`;
  return [
    ...trees.flatMap((tree) => [...both(tree.name, "tasks", [tree], true), ...both(tree.name, "tasks", [tree], false)]),
    ...both(all, "tasks", trees, true),
    ...both(all, "tasks", trees, false),
    ...both(all, "procs", trees, true),
    ...both(all, "procs", trees, false),
  ];
}

/** `into` counts the whole clone: `none` is a clone without it. */
function v2Cases(tree: Tree): Case[] {
  return [
    ...both(tree.name, "none", [tree], false),
    ...both(tree.name, "into", [tree], false),
    ...both(tree.name, "into", [tree], true),
    ...both(tree.name, "procs", [tree], false),
  ];
}
