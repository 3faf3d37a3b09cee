/**
 * Devices where cgroup v2 decides: real containers whose cgroups are in the machine's v2 tree, which machines with v1
 * cgroups have beside the others.
 */

import type { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { openDatabase } from "../src/common/database.ts";
import { Containers } from "../src/container/index.ts";
import { Cgroups, type Isolation } from "../src/sandbox/index.ts";
import { closeWorld, openWorld, runToEnd, type World } from "./support/world.ts";

const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
const mount = mounts.map((line) => line.split(" ")).find(([, , type]) => type === "cgroup2")?.[1];
const why = mount === undefined ? " (needs a cgroup2 mount)" : "";

let world: World;
let database: Database;
let v2: World;

beforeAll(async () => {
  world = await openWorld();
  const layout = {
    version: 2,
    hierarchies: [{ mount: mount ?? "", controllers: ["freezer", "devices"] }],
    swapLimit: true,
  } as const;
  const cgroups = new Cgroups(layout, world.paths.run);
  if (mount !== undefined) await cgroups.prepare();
  database = openDatabase(":memory:");
  const { launcher, paths } = world;
  v2 = { ...world, cgroups, database, containers: new Containers({ database, launcher, cgroups, paths }) };
});

afterAll(async () => {
  await v2.containers.close();
  await v2.cgroups.removeParents();
  database.close();
  await closeWorld(world);
});

const run = (script: string, isolation: Isolation = {}) => runToEnd(v2, ["sh", "-c", script], { isolation });

test.skipIf(mount === undefined)(`a container opens its own devices and no other${why}`, async () => {
  const script =
    "mknod /tmp/m c 1 1 && echo made; (: < /tmp/m); (: < /dev/zero) && echo zero; echo x > /dev/null && echo null";
  const { stdout, stderr } = await run(script);
  expect(stdout).toBe("made\nzero\nnull\n");
  expect(stderr).toContain("/tmp/m: Operation not permitted");
});

const noLoops = existsSync("/dev/loop-control") ? "" : " (needs /dev/loop-control)";

test.skipIf(mount === undefined || noLoops !== "")(
  `a device that is given has the rights that are given${why}${noLoops}`,
  async () => {
    const devices = [{ source: "/dev/loop-control", target: "/dev/loop-control", access: "r" }];
    const { stdout, stderr } = await run("(: < /dev/loop-control) && echo reads; (: > /dev/loop-control)", { devices });
    expect(stdout).toBe("reads\n");
    expect(stderr).toContain("/dev/loop-control: Operation not permitted");
    expect((await run("(: > /dev/loop-control) && echo writes", { privileged: true })).stdout).toBe("writes\n");
  },
);
