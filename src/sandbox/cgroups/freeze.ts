/**
 * Stopping and resuming all processes of a container at once, by the freezer of either world. With v2 the kernel tells
 * when all stand still (cgroup.events changes); v1 has to be asked, seldom, and only while one of them is still inside
 * the kernel.
 */
import { readFileSync, watch } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { Cgroups } from "./cgroups.ts";
import { tableIn, textOf } from "./files.ts";

const PATIENCE_MS = 10_000;
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 50;

/** Resolves when all of it stands still. @throws ThawError TIMEOUT (it goes on then), WRONG_STATE when it is gone. */
export async function freeze(cgroups: Cgroups, id: string): Promise<void> {
  const leaf = leafOf(cgroups, id);
  const frozen = cgroups.layout.version === 2 ? await freezeV2(leaf) : await freezeV1(leaf);
  if (frozen) return;
  await thaw(cgroups, id);
  throw new ThawError("TIMEOUT", `a process did not stand still within ${PATIENCE_MS / 1000} s`, {
    hint: "It waits for a device or a network file system; try again later.",
  });
}

/** Lets it go on. One that is not frozen, or gone, is fine. */
export async function thaw(cgroups: Cgroups, id: string): Promise<void> {
  const leaf = leafOf(cgroups, id);
  const v2 = cgroups.layout.version === 2;
  await writeFile(join(leaf, v2 ? "cgroup.freeze" : "freezer.state"), v2 ? "0" : "THAWED").catch(() => {});
}

/** Whether it is frozen, or about to be. */
export function isFrozen(cgroups: Cgroups, id: string): boolean {
  const file = cgroups.layout.version === 2 ? "cgroup.freeze" : "freezer.self_freezing";
  try {
    return readFileSync(join(leafOf(cgroups, id), file), "utf8").trim() === "1";
  } catch {
    return false;
  }
}

function leafOf(cgroups: Cgroups, id: string): string {
  const leaf = cgroups.leaf(id, "freezer");
  if (leaf !== undefined) return leaf;
  throw new ThawError("UNSUPPORTED_MACHINE", "this machine has no freezer cgroup controller", {
    hint: "Mount it: mount -t cgroup -o freezer freezer /sys/fs/cgroup/freezer",
  });
}

async function freezeV1(leaf: string): Promise<boolean> {
  const file = join(leaf, "freezer.state");
  const deadline = performance.now() + PATIENCE_MS;
  for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 2, LAST_LOOK_MS)) {
    // Again each time: who came to wait for a child of vfork after the first time is only frozen by the next.
    await order(file, "FROZEN");
    const state = await textOf(file);
    if (state === undefined) throw gone();
    if (state === "FROZEN") return true;
    if (performance.now() > deadline) return false;
    await Bun.sleep(pause);
  }
}

async function freezeV2(leaf: string): Promise<boolean> {
  const events = join(leaf, "cgroup.events");
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const look = async () => {
    const text = await textOf(events);
    if (text === undefined || tableIn(text).frozen === 1) resolve(text !== undefined);
  };
  const late = setTimeout(() => resolve(false), PATIENCE_MS);
  const watcher = watchFile(events, () => void look());
  try {
    await order(join(leaf, "cgroup.freeze"), "1");
    await look();
    return await promise;
  } finally {
    watcher.close();
    clearTimeout(late);
  }
}

function watchFile(path: string, changed: () => void) {
  try {
    return watch(path, changed);
  } catch {
    throw gone();
  }
}

async function order(path: string, value: string): Promise<void> {
  await writeFile(path, value).catch(() => {
    throw gone();
  });
}

function gone(): ThawError {
  return new ThawError("WRONG_STATE", "the container has ended meanwhile");
}
