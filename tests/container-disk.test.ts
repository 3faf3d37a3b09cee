/** A full disk under the data directory: it is said, nothing half-made stays, and room again is enough to go on. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { closeSync, openSync, readdirSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { errnoOf } from "../src/common/errors.ts";
import { execOk } from "../src/common/exec.ts";
import { closeWorld, openWorld, runToEnd, specOf, type World } from "./support/world.ts";

let world: World;

beforeEach(async () => {
  world = await openWorld(async ({ data }) => {
    await execOk(["mkdir", "-p", data]);
    await execOk(["mount", "-t", "tmpfs", "-o", "size=4m", "thaw-test", data]);
  });
});

afterEach(async () => {
  const { data } = world.paths;
  rmSync(filler(), { force: true });
  for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
  await closeWorld(world, async () => {
    await execOk(["umount", data]);
  });
});

function filler(): string {
  return join(world.paths.data, "filler");
}

/** Takes all that is left of the disk. */
function fill(): void {
  const file = openSync(filler(), "w");
  try {
    for (const size of [1 << 16, 512]) writeUntilFull(file, new Uint8Array(size));
  } finally {
    closeSync(file);
  }
}

function writeUntilFull(file: number, block: Uint8Array): void {
  try {
    for (;;) writeSync(file, block);
  } catch (error) {
    if (errnoOf(error) !== "ENOSPC") throw error;
  }
}

test("a container cannot be made, and nothing of it is left; others can be removed", async () => {
  const { id } = await world.containers.create(specOf(world, ["ls"]));
  fill();
  const made = async () => {
    // One row may still fit into a page that the database has; many do not.
    for (;;) await world.containers.create(specOf(world, ["ls"], { labels: { long: "x".repeat(50_000) } }));
  };
  expect(await made().catch((caught: unknown) => caught)).toMatchObject({ code: "NO_SPACE" });
  expect(readdirSync(world.paths.containers).toSorted()).toEqual(
    world.containers
      .list({ all: true })
      .map(({ id }) => id)
      .toSorted(),
  );
  await world.containers.remove(id);
  rmSync(filler());
  expect(await runToEnd(world, ["sh", "-c", "exit 3"])).toMatchObject({ exitCode: 3 });
});

test("a container that is there cannot be started, and can be when there is room", async () => {
  const { id } = await world.containers.create(specOf(world, ["sh", "-c", "exit 3"]));
  fill();
  expect(await world.containers.start(id).catch((caught: unknown) => caught)).toMatchObject({ code: "NO_SPACE" });
  rmSync(filler());
  await world.containers.start(id);
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 3 });
});

test("an exit on a full disk is known, and recorded when there is room", async () => {
  const { id } = await world.containers.create(specOf(world, ["sleep", "60"]));
  await world.containers.start(id);
  fill();
  await world.containers.stop(id, 0);
  expect(world.containers.get(id)).toMatchObject({ state: "exited", exitCode: 143 });
  rmSync(filler());
  await world.containers.reconcile();
  expect((await world.launcher.list()).containers).toEqual([]);
});
