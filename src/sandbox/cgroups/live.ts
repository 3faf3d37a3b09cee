/**
 * Changing a running container's limits: either all of them or none. What is in each file is kept before it is
 * written, and written back when a later one is refused. A tree that a container did not need until now (cpuset,
 * blkio on v1) is joined last, when nothing else can fail any more.
 */
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { errnoOf, ThawError } from "../../common/errors.ts";
import type { Cgroups } from "./cgroups.ts";
import { numberIn, textOf } from "./files.ts";
import type { CgroupLimits } from "./limits.ts";

interface Write {
  readonly path: string;
  readonly value: string;
}

const SWAP_V1 = "memory.memsw.limit_in_bytes";
/** A process may fork while its siblings are moved. */
const ROUNDS = 10;

/**
 * @param after  checked before: `cgroups.check`.
 * @throws ThawError WRONG_STATE when the container is gone or the kernel refuses a value; nothing is changed then.
 */
export async function changeLimits(cgroups: Cgroups, id: string, after: CgroupLimits): Promise<void> {
  const undo: (() => Promise<void>)[] = [];
  try {
    const fresh = await makeMissing(cgroups, id, after, undo);
    for (const write of await ordered(cgroups, id, after)) {
      const before = await readFile(write.path, "utf8").catch(() => {
        throw gone();
      });
      await makeRoom(cgroups, write, after);
      await set(write);
      undo.push(() => writeFile(write.path, before.trim()));
    }
    for (const leaf of fresh) await moveInto(cgroups, id, leaf);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {});
    throw error;
  }
}

/**
 * Makes a running container's leaves hold what its limits say: a daemon that was killed while it changed them has left
 * something in between. @throws ThawError as `changeLimits`.
 */
export async function restoreLimits(cgroups: Cgroups, id: string, limits: CgroupLimits): Promise<void> {
  const holds = await Promise.all(
    cgroups.settings(limits).map(async ({ controller, file, value }) => {
      const leaf = cgroups.leaf(id, controller);
      return leaf === undefined || (await textOf(join(leaf, file))) === value;
    }),
  );
  if (!holds.every(Boolean)) await changeLimits(cgroups, id, limits);
}

/** Leaves that the new limits need and the container is not in. */
async function makeMissing(cgroups: Cgroups, id: string, after: CgroupLimits, undo: (() => Promise<void>)[]) {
  const usual = cgroups.leaves(id);
  const fresh: string[] = [];
  for (const leaf of cgroups.leaves(id, after).filter((path) => !usual.includes(path))) {
    try {
      await mkdir(leaf);
    } catch (error) {
      if (errnoOf(error) === "EEXIST") continue;
      throw error;
    }
    undo.push(() => rmdir(leaf));
    fresh.push(leaf);
    await inherit(leaf);
  }
  return fresh;
}

/** A v1 cpuset is made empty. */
async function inherit(leaf: string): Promise<void> {
  for (const file of ["cpuset.cpus", "cpuset.mems"]) {
    const above = await textOf(join(dirname(leaf), file));
    if (above !== undefined) await writeFile(join(leaf, file), above);
  }
}

/** Memory and swap together may never be below memory alone: when they grow they go first. */
async function ordered(cgroups: Cgroups, id: string, after: CgroupLimits): Promise<Write[]> {
  const writes = cgroups.settings(after).flatMap(({ controller, file, value }): Write[] => {
    const leaf = cgroups.leaf(id, controller);
    return leaf === undefined ? [] : [{ path: join(leaf, file), value }];
  });
  const swap = writes.find(({ path }) => path.endsWith(SWAP_V1));
  if (!swap) return writes;
  const now = numberIn(await textOf(swap.path)) ?? 0;
  const wanted = swap.value === "-1" ? Number.POSITIVE_INFINITY : Number(swap.value);
  return wanted > now ? [swap, ...writes.filter((write) => write !== swap)] : writes;
}

/**
 * v1 refuses a limit of memory below what cannot be pushed out; v2 takes any and then kills. So there the surplus is
 * pushed out first, and what is left of it is a refusal.
 */
async function makeRoom(cgroups: Cgroups, { path, value }: Write, { memory }: CgroupLimits): Promise<void> {
  if (cgroups.layout.version !== 2 || !path.endsWith("/memory.max") || memory === undefined) return;
  const leaf = dirname(path);
  const usage = async () => numberIn(await textOf(join(leaf, "memory.current"))) ?? 0;
  const surplus = (await usage()) - memory;
  if (surplus <= 0) return;
  await writeFile(join(leaf, "memory.reclaim"), String(surplus)).catch(() => {});
  const left = await usage();
  if (left > memory) throw tooSmall(value, left);
}

async function set({ path, value }: Write): Promise<void> {
  try {
    await writeFile(path, value);
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENODEV") throw gone();
    if (errno === "EBUSY" && /\/memory\.[a-z.]*limit_in_bytes$/.test(path)) {
      const usage = await textOf(join(dirname(path), "memory.usage_in_bytes"));
      throw tooSmall(value, Number(usage));
    }
    throw new ThawError("WRONG_STATE", `the kernel refuses ${value} for ${path}: ${errno}`, {
      hint: "Nothing was changed. Choose another value.",
      cause: error,
    });
  }
}

/** Moves what runs, until nothing new has come. */
async function moveInto(cgroups: Cgroups, id: string, leaf: string): Promise<void> {
  const home = cgroups.leaf(id, "pids");
  const moved = new Set<string>();
  for (let round = 0; home !== undefined && round < ROUNDS; round++) {
    const pids = ((await textOf(join(home, "cgroup.procs"))) ?? "").split("\n").filter(Boolean);
    const fresh = pids.filter((pid) => !moved.has(pid));
    if (fresh.length === 0) return;
    for (const pid of fresh) {
      // It may have ended by itself.
      await writeFile(join(leaf, "cgroup.procs"), pid).catch((error: unknown) => {
        if (errnoOf(error) !== "ESRCH") throw error;
      });
      moved.add(pid);
    }
  }
}

function tooSmall(value: string, usage: number): ThawError {
  return new ThawError(
    "WRONG_STATE",
    `a memory limit of ${value} bytes is below what the container uses and cannot give back (${usage} bytes)`,
    { hint: "Nothing was changed. Give more, or restart it with the smaller limit." },
  );
}

function gone(): ThawError {
  return new ThawError("WRONG_STATE", "the container has ended meanwhile");
}
