/** Containers without a writable layer (`--lean`). */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createRequest } from "../src/cli/container-request.ts";
import { initLayerDir } from "../src/rootfs/index.ts";
import { leanRoot } from "../src/sandbox/lean-root.ts";
import { closeWorld, leftovers, NOTHING_LEFT, openWorld, runToEnd, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  await closeWorld(world);
});

const lean = { lean: true, init: false, isolation: { tmpfs: [{ target: "/tmp", flags: 0, options: "size=1m" }] } };
const script = "echo x >/tmp/x && cat /tmp/x; (echo y >/bin/y) 2>&1; head -c 20 /proc/1/cmdline; cat /proc/mounts";

test("a directory with all mount points is the root itself, read-only", async () => {
  const ran = await runToEnd(world, ["sh", "-c", script], lean);
  expect(ran.exitCode).toBe(0);
  expect(ran.stdout).toMatch(/^x\n.*Read-only file system\nsh/);
  expect(ran.stdout).toMatch(/^\S+ \/ (?!overlay)\S+ ro/m);
  expect(existsSync(join(world.root, "bin/y"))).toBe(false);
  expect(await leftovers(world)).toEqual(NOTHING_LEFT);
});

test("one without is shown over what is missing, and is not written to either", async () => {
  rmSync(join(world.root, "sys"), { recursive: true });
  const ran = await runToEnd(world, ["sh", "-c", script], {
    ...lean,
    lowers: [world.root, await initLayerDir(world.paths)],
  });
  expect(ran.exitCode).toBe(0);
  expect(ran.stdout).toMatch(/^x\n.*Read-only file system\nsh/);
  expect(ran.stdout).toMatch(/^overlay \/ overlay ro/m);
});

test("several layers are never bound", () => {
  expect(leanRoot(["/a", "/b", "/init"])).toMatchObject({ kind: "root_overlay", upper: "" });
});

test("the command line asks for the machine's network and a tmpfs, unless it says else", () => {
  const plain = createRequest(["image"], { lean: true, init: true }, false);
  expect(plain).toMatchObject({ Lean: true, HostConfig: { NetworkMode: "host", Init: false, Tmpfs: { "/tmp": "" } } });
  const chosen = createRequest(["image"], { lean: true, init: true, network: ["none"] }, false);
  expect(chosen).toMatchObject({ HostConfig: { NetworkMode: "none" } });
});
