/**
 * Limits over the real launcher and kernel, in whichever cgroup world this machine has: what is set, what is changed
 * while it runs, what stops and what is killed. tests/v2.test.ts runs this file on a machine with cgroup v2.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerSpec, Limits } from "../src/container/types.ts";
import {
  abandon,
  closeWorld,
  launcherPids,
  leftovers,
  NOTHING_LEFT,
  openManager,
  openWorld,
  runToEnd,
  specOf,
  statusOf,
  until,
  type World,
} from "./support/world.ts";

const NONE: Limits = { memory: undefined, nanoCpus: undefined, pids: undefined };
const MB = 1 << 20;
let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  await closeWorld(world);
});

afterEach(async () => {
  for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
  expect(await leftovers(world)).toEqual(NOTHING_LEFT);
});

/** A running container. */
async function running(limits: Partial<Limits> = {}, script = "sleep 600", more: Partial<ContainerSpec> = {}) {
  const spec = specOf(world, ["sh", "-c", script], { limits: { ...NONE, ...limits }, ...more });
  const { id } = await world.containers.create(spec);
  return world.containers.start(id);
}

const resources = () => world.containers.resources;
const version = () => world.cgroups.layout.version;

/** What the kernel has for limits, as far as it says the same as what was written. */
function inForce(id: string, limits: Partial<Limits>): [wanted: string, is: string][] {
  return world.cgroups.settings({ ...NONE, ...limits }).map(({ controller, file, value }) => {
    const leaf = world.cgroups.leaf(id, controller) ?? "";
    return [`${file}=${value}`, `${file}=${readFileSync(join(leaf, file), "utf8").trim()}`];
  });
}

function expectInForce(id: string, limits: Partial<Limits>): void {
  for (const [wanted, is] of inForce(id, limits)) expect(is).toBe(wanted);
}

/** Resolves when a container's log has a line. */
async function printed(id: string, line: string): Promise<void> {
  for await (const { bytes } of world.containers.logs(id, { follow: true })) {
    if (Buffer.from(bytes).toString().includes(line)) return;
  }
  throw new Error(`it ended without printing ${line}`);
}

test("every limit reaches the kernel, and all of the container is under it", async () => {
  const limits = {
    memory: 64 * MB,
    memorySwap: 96 * MB,
    memoryReservation: 32 * MB,
    cpuPeriod: 50_000,
    cpuQuota: 25_000,
    cpuShares: 512,
    cpusetCpus: "0",
    cpusetMems: "0",
    pids: 30,
  };
  const { id, pid } = await running(limits);
  expectInForce(id, limits);
  expect(statusOf(pid, "Cpus_allowed_list")).toBe("0");
  for (const leaf of world.cgroups.leaves(id, { ...NONE, ...limits })) {
    expect(readFileSync(join(leaf, "cgroup.procs"), "utf8").split("\n")).toContain(String(pid));
  }
});

test("a container without limits of disks or CPU sets has no leaf there, and shares the CPUs fairly", async () => {
  const { id } = await running();
  const leaf = (name: "blkio" | "cpuset") => world.cgroups.leaf(id, name) ?? "/nowhere";
  expect([existsSync(leaf("blkio")), existsSync(leaf("cpuset"))]).toEqual(Array(2).fill(version() === 2));
  expectInForce(id, { cpuShares: 1024 });
});

test.each<[Partial<Limits>, string, string]>([
  [{ cpusetCpus: "0-4000" }, "INVALID", "are not all there: this machine has 0"],
  [{ cpusetCpus: "x" }, "INVALID", "is not a list of CPUs"],
  [{ cpusetMems: "63" }, "INVALID", "are not all there"],
  [{ nanoCpus: 5000e9 }, "INVALID", "this machine has"],
  [{ memory: 64 * MB, memorySwap: 32 * MB }, "INVALID", "is below that of memory"],
  [{ devices: { readBps: [{ path: "/dev/null", rate: 1 }] } }, "INVALID", "is not a block device"],
  [{ devices: { readBps: [{ path: "/dev/nothing", rate: 1 }] } }, "PATH_NOT_FOUND", "does not exist"],
])("%j is refused before anything is made", async (limits, code, message) => {
  const error = await world.containers.create(specOf(world, ["true"], { limits: { ...NONE, ...limits } })).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code, message: expect.stringContaining(message) });
  expect(world.containers.list({ all: true })).toEqual([]);
});

test("limits change while it runs: up, down, and where it had none", async () => {
  const { id, pid } = await running({ memory: 32 * MB, nanoCpus: 5e8 });
  const changes: Partial<Limits>[] = [
    { memory: 128 * MB },
    { memory: 16 * MB },
    { memory: 32 * MB, memorySwap: 48 * MB },
    { cpuQuota: 20_000, cpuPeriod: 40_000 },
    { cpusetCpus: "0", cpuShares: 2048, pids: 40, memoryReservation: 8 * MB },
  ];
  let limits: Limits = { ...NONE, memory: 32 * MB, nanoCpus: 5e8 };
  for (const change of changes) {
    const { spec } = await resources().update(id, change);
    limits = { ...limits, ...change, ...(change.cpuQuota === undefined ? {} : { nanoCpus: undefined }) };
    expect(spec.limits).toEqual(limits);
    expectInForce(id, limits);
  }
  expect(statusOf(pid, "Cpus_allowed_list")).toBe("0");
  await world.containers.stop(id, 0);
  await world.containers.start(id);
  expectInForce(id, limits);
});

test("a change that is impossible changes nothing", async () => {
  // A process of 30 MB, which cannot give any of it back.
  const { id } = await running(
    { memory: 64 * MB, pids: 20 },
    "head -c 30000000 /dev/zero | tail -c 30000000 | sleep 600",
  );
  await until(() => world.containers.memoryOf(id) > 30e6);
  const before = inForce(id, { memory: 64 * MB, pids: 20 });
  const refused = resources().update(id, { pids: 10, memory: 8 * MB });
  await expect(refused).rejects.toMatchObject({ code: "WRONG_STATE", message: expect.stringContaining("8388608") });
  expect(inForce(id, { memory: 64 * MB, pids: 20 })).toEqual(before);
  expect(world.containers.get(id)).toMatchObject({ state: "running", spec: { limits: { memory: 64 * MB, pids: 20 } } });
});

test("what a daemon that was killed left half changed is as the row says, when the next one comes", async () => {
  const limits = { memory: 64 * MB, pids: 20 };
  const { id } = await running(limits);
  writeFileSync(join(world.cgroups.leaf(id, "pids") ?? "", "pids.max"), "99");
  await world.containers.close();
  abandon(world);
  world = await openManager(world.paths, world.root);
  expectInForce(id, limits);
});

test("a paused container does nothing, is known as paused by the next daemon, and goes on", async () => {
  const { id } = await running({}, "while :; do :; done");
  await resources().pause(id);
  expect(world.containers.get(id)).toMatchObject({ state: "running", paused: true });
  const cpu = async () => (await resources().stats(id)).cpu.total;
  const before = await cpu();
  await expect(resources().pause(id)).rejects.toMatchObject({ code: "WRONG_STATE" });
  await world.containers.close();
  abandon(world);
  world = await openManager(world.paths, world.root);
  expect(world.containers.get(id)).toMatchObject({ state: "running", paused: true });
  expect(await cpu()).toBe(before);
  await resources().unpause(id);
  expect(world.containers.get(id)).toMatchObject({ paused: false });
  await until(async () => (await cpu()) > before);
  await expect(resources().unpause(id)).rejects.toMatchObject({ code: "WRONG_STATE" });
});

test("a container that starts programs all the time can be paused at any moment", async () => {
  const { id } = await running({}, "while :; do cat /dev/null; done");
  for (let round = 0; round < 60; round++) {
    await resources().pause(id);
    await resources().unpause(id);
  }
});

test("a paused container can be stopped, killed and removed", async () => {
  const ends: [string, number, (id: string) => Promise<unknown>][] = [
    ["trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done", 7, (id) => world.containers.stop(id, 60_000)],
    ["trap '' TERM; echo up; while :; do sleep 0.1; done", 137, (id) => world.containers.stop(id, 50)],
    ["echo up; sleep 600", 137, (id) => world.containers.signal(id, 9)],
    ["trap 'exit 8' TERM; echo up; while :; do sleep 0.1; done", 8, (id) => world.containers.signal(id, 15)],
  ];
  for (const [script, exitCode, end] of ends) {
    const { id } = await running({}, script);
    await printed(id, "up");
    await resources().pause(id);
    await end(id);
    expect(await world.containers.wait(id)).toMatchObject({ exitCode, paused: false });
    await world.containers.remove(id);
  }
  const { id } = await running();
  await resources().pause(id);
  await world.containers.remove(id, { force: true });
});

test("a launcher that is told to end ends what is paused as well", async () => {
  const { id } = await running();
  await resources().pause(id);
  await world.containers.close();
  await world.launcher.shutDown(true).catch(() => {});
  abandon(world);
  await until(() => launcherPids(world.paths).length === 0);
  world = await openManager(world.paths, world.root);
  expect(world.containers.get(id)).toMatchObject({ state: "exited" });
});

test("what a killed launcher left frozen is cleared away", async () => {
  const { id, pid } = await running();
  await resources().pause(id);
  const back = Promise.withResolvers<void>();
  world.launcher.onReconnect(() => back.resolve());
  process.kill(Number(statusOf(pid, "PPid")), "SIGKILL");
  await back.promise;
  await world.containers.reconcile();
  expect(world.containers.get(id)).toMatchObject({ state: "exited", exitCode: 137 });
  // Only its directory is left, until it is removed.
  await until(async () => Object.values(await leftovers(world)).flat().length === 1);
});

test("out of memory in any of its processes ends the container, and no other", async () => {
  const neighbour = await running({ memory: 16 * MB });
  const { id } = await running({ memory: 16 * MB }, "tail /dev/zero; echo alive; sleep 600");
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 137, oomKilled: true });
  const records = await Array.fromAsync(world.containers.logs(id, { follow: false }));
  expect(records.filter(({ stream }) => stream === "stdout").length).toBeLessThan(2);
  expect(world.containers.get(neighbour.id)).toMatchObject({ state: "running", oomKilled: false });
});

test("a limit that is given later kills as well", async () => {
  const { id } = await running({}, "while [ ! -e /tmp/go ]; do sleep 0.05; done; tail /dev/zero; sleep 600");
  await resources().update(id, { memory: 16 * MB });
  await Bun.write(join(`/proc/${world.containers.get(id).pid}/root`, "tmp/go"), "");
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 137, oomKilled: true });
});

const disk = readdirSync("/sys/block").find((name) => /^(sd|vd|nvme)/.test(name) && existsSync(`/dev/${name}`));

test.skipIf(disk === undefined)("rates and weights of disks reach the kernel (needs a disk)", async () => {
  const path = `/dev/${disk}`;
  const limits = {
    devices: { readBps: [{ path, rate: 1 << 20 }], writeIops: [{ path, rate: 100 }] },
    ...(canWeigh() ? { blkioWeight: 300 } : {}),
  };
  const { id } = await running(limits);
  for (const { controller, file, value } of world.cgroups.settings({ ...NONE, ...limits })) {
    if (controller !== "blkio") continue;
    const is = readFileSync(join(world.cgroups.leaf(id, controller) ?? "", file), "utf8");
    // With v2 all rates of a disk are one line, and a weight has "default" before it.
    expect(is).toContain(value.split(" ").at(-1) ?? "");
  }
});

/** Weights need the bfq scheduler's part of the kernel; without it asking for one is refused in these words. */
function canWeigh(): boolean {
  try {
    world.cgroups.check({ ...NONE, blkioWeight: 300 });
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: "UNSUPPORTED_MACHINE", message: "this kernel knows no block IO weights" });
    return false;
  }
}

test("devices that a container was not given are not opened, however their nodes came about", async () => {
  const script = "mknod /tmp/k c 1 11 && (: > /tmp/k); mknod /tmp/b b 7 0 && (: < /tmp/b); : > /dev/null && echo null";
  const plain = await runToEnd(world, ["sh", "-c", script]);
  expect(plain.stdout).toBe("null\n");
  expect(plain.stderr).toMatch(/\/tmp\/k: Operation not permitted\n.*\/tmp\/b: Operation not permitted\n$/);
  const isolation = { devices: [{ source: "/dev/kmsg", target: "/dev/log", access: "w" }] };
  const given = await runToEnd(world, ["sh", "-c", ": > /dev/log && echo written; : < /dev/log"], { isolation });
  expect(given).toMatchObject({ stdout: "written\n", stderr: expect.stringContaining("Operation not permitted") });
});

test("statistics are those of the container, and nothing of one that does not run", async () => {
  const limits = { memory: 64 * MB, pids: 50, nanoCpus: 5e8 };
  const script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo done; sleep 600";
  const { id } = await running(limits, script);
  await printed(id, "done");
  const commands = async () => (await resources().processes(id)).map(({ command }) => command);
  await until(async () => (await commands()).includes("sleep 600"));
  const { cpu, memory, pids, throttling } = await resources().stats(id);
  expect(cpu.total).toBeGreaterThan(1e7);
  expect(cpu.user).toBeGreaterThan(0);
  expect(cpu.user + cpu.system).toBeLessThan(cpu.total * 2);
  expect(memory).toMatchObject({ limit: 64 * MB });
  expect(memory.usage).toBeGreaterThan(0);
  expect(memory.peak).toBeGreaterThanOrEqual(memory.usage / 2);
  expect(pids).toEqual({ current: 3, limit: 50 });
  expect(throttling.periods).toBeGreaterThan(0);
  expect(await commands()).toHaveLength(3);
  await world.containers.stop(id, 0);
  expect(await resources().stats(id)).toMatchObject({ cpu: { total: 0 }, memory: { usage: 0 }, pids: { current: 0 } });
  await expect(resources().processes(id)).rejects.toMatchObject({ code: "WRONG_STATE" });
});
