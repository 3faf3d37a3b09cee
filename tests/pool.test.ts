/** Sandboxes made ahead: that what is taken is what would have been made, and that nothing stale or dead is. */
import { afterAll, afterEach, beforeAll, expect } from "bun:test";
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { startOf } from "../src/container/index.ts";
import type { LogRecord } from "../src/container/types.ts";
import { ContainerState, type LauncherEvent } from "../src/launcher/generated/protocol.ts";
import { WAKES_NOTHING } from "../src/launcher/index.ts";
import { SandboxPool } from "../src/sandbox/index.ts";
import { makePerlRoot, SERVER_ARGV, SERVER_PORT } from "./support/perl-root.ts";
import { pooledTest } from "./support/pooled-test.ts";
import {
  closeWorld,
  launcherPids,
  leftovers,
  NOTHING_LEFT,
  openWorld,
  runToEnd,
  specOf,
  statusOf,
  textOf,
  until,
  type World,
} from "./support/world.ts";

const KEEP_MS = 300;
let world: World;
let pool: SandboxPool | undefined;
let events: LauncherEvent[] = [];

beforeAll(async () => {
  world = await openWorld();
  world.launcher.onEvent((event) => events.push(event));
});

afterAll(async () => {
  await closeWorld(world);
});

afterEach(async () => {
  await pool?.reset();
  for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
  await until(async () => (await world.launcher.list()).containers.length === 0);
  pool?.close();
  expect(await leftovers(world)).toEqual(NOTHING_LEFT);
});

function openPool(keepMs = 60_000): SandboxPool {
  events = [];
  pool = new SandboxPool(world.launcher, world.cgroups, { keepMs, pauseMs: 1 });
  return pool;
}

const parked = (open: SandboxPool) => [...open.sizes().values()].reduce((sum, size) => sum + size, 0);
const taken = () => events.filter(({ kind }) => kind === "taken").length;
const shell = (script: string, wanted = {}) => runToEnd(world, ["sh", "-c", script], { hostname: "box", ...wanted });

async function outputOf(id: string): Promise<string> {
  const records: LogRecord[] = [];
  for await (const record of world.containers.logs(id, { follow: false })) records.push(record);
  return textOf(records, "stdout");
}

/** Everything a program can easily see of its sandbox. */
const LOOK = `
  cat /proc/1/comm /proc/self/cgroup /etc/hosts; pwd; id; ls -l /dev /dev/pts; cat /proc/self/status | head -60;
  cat /proc/self/mountinfo; ls -a /; ls /sys/fs/cgroup; cat /proc/sys/kernel/hostname`;

/** Without what differs between any two containers: ids, pids, inode numbers, device minors, times. */
function general(text: string): string[] {
  return text
    .replace(/[0-9a-f]{64}/g, "ID")
    .split("\n")
    .filter(
      (line) => !/^(Vm|Rss|Hugetlb|voluntary|nonvoluntary|N?S?t?g?[Pp]id|NS|Pid|PPid|Ngid|SigQ|Cpus|Mems)/.test(line),
    )
    .map((line) =>
      line
        .replace(/^\d+ \d+ \d+:\d+ /, "")
        .replace(/ master:\d+/, "")
        .replace(/\w{3} +\d+ \d\d:\d\d/, "DATE"),
    )
    .map((line) => line.replace(/(lowerdir|upperdir|workdir)[^ ,]*/g, "$1"));
}

pooledTest("a container in a sandbox made ahead sees what it would see in one of its own", async () => {
  const limits = { memory: 64 << 20, nanoCpus: 5e8, pids: 77 };
  const script = `${LOOK}; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/memory/memory.limit_in_bytes`;
  const alone = await shell(script, { limits });
  const open = openPool();
  await shell("true");
  await until(() => parked(open) > 0);
  const pooled = await shell(script, { limits });
  expect(taken()).toBe(1);
  expect(pooled.exitCode).toBe(0);
  expect(general(pooled.stdout)).toEqual(general(alone.stdout));
  expect(pooled.stdout).toContain("77\n");
});

pooledTest("the clocks of a sandbox made ahead begin when it is taken, for all that runs in it", async () => {
  const year = 31_536_000_000_000_000n;
  const open = openPool();
  await shell("true");
  await until(() => parked(open) > 0);
  await Bun.sleep(50);
  const spec = specOf(world, ["cat", "/proc/uptime"], { hostname: "box" });
  const { id } = await world.containers.startPlanned({
    spec,
    restoredFrom: "nothing",
    plan: (place, container) => {
      const { plan, cleanup } = startOf(container.spec, place, world.cgroups, undefined);
      const clocks = { kind: "clock_from", monotonicNs: year, boottimeNs: year } as const;
      const ready = plan.findIndex(({ kind }) => kind === "ready");
      return { plan: plan.toSpliced(ready, 0, clocks), cleanup };
    },
  });
  await world.containers.wait(id);
  expect(taken()).toBe(1);
  const seconds = Number((await outputOf(id)).split(" ")[0]);
  expect(seconds).toBeGreaterThanOrEqual(31_536_000);
  expect(seconds).toBeLessThan(31_536_000 + 60);
});

pooledTest("what another shape wants is never taken from it", async () => {
  const open = openPool();
  await shell("true");
  await until(() => parked(open) > 0);
  const shm = await shell("cat /proc/mounts", { isolation: { shmBytes: 4 << 20 } });
  expect(shm.stdout).toMatch(/\/dev\/shm .*size=4096k/);
  const host = await shell("cat /proc/net/dev", { network: { mode: "host" as const, attachments: [] } });
  expect(host.exitCode).toBe(0);
  expect(taken()).toBe(0);
});

pooledTest("what the launcher only does on the host holds nothing up", async () => {
  const open = openPool();
  await world.launcher.request({ kind: "run", id: "nothing", sandbox: "", stdio: 0, log: "", plan: [], cleanup: [] });
  await shell("true");
  await until(() => parked(open) > 0);
});

pooledTest("one that died meanwhile costs nobody a start", async () => {
  const open = openPool();
  await shell("true");
  await until(() => parked(open) > 0);
  events = [];
  const [launcher] = launcherPids(world.paths).filter((pid) => statusOf(pid, "Name") === "thaw-launcher");
  const holders = Bun.spawnSync(["sh", "-c", `cat /proc/${launcher}/task/${launcher}/children`]).stdout.toString();
  for (const pid of holders.trim().split(" ")) process.kill(Number(pid), "SIGKILL");
  await until(() => events.some(({ kind }) => kind === "exited"));
  expect(await shell("echo here")).toMatchObject({ exitCode: 0, stdout: "here\n" });
});

pooledTest("many starts at once take what is there, make what is not, and more is ready the next time", async () => {
  const open = openPool();
  await shell("true");
  await until(() => parked(open) > 0);
  const all = await Promise.all(Array.from({ length: 6 }, (_, index) => shell(`echo ${index}`)));
  expect(all.map(({ stdout }) => stdout)).toEqual(["0\n", "1\n", "2\n", "3\n", "4\n", "5\n"]);
  expect(taken()).toBeGreaterThan(0);
  await until(() => parked(open) > 1);
});

pooledTest("with nobody asking the pool shrinks to nothing", async () => {
  const open = openPool(KEEP_MS);
  await shell("true");
  await until(() => parked(open) > 0);
  await until(async () => (await world.launcher.list()).containers.length === 0);
  expect(parked(open)).toBe(0);
});

pooledTest("a sleeping service keeps one ready, and its wake-up takes it without a daemon", async () => {
  const root = join(world.root, "../perl");
  await makePerlRoot(root);
  const open = openPool(KEEP_MS);
  const id = "a".repeat(64);
  const place = world.containers.place(id);
  const { plan, cleanup } = startOf(specOf(world, SERVER_ARGV, { rootfs: root }), place, world.cgroups, undefined);
  const port = await listenSomewhere();
  await world.launcher.request({
    ...{
      kind: "route",
      id: "svc",
      target: id,
      port: SERVER_PORT,
      readyMs: 20_000,
      stdio: 0,
      log: "",
    },
    ...{ ...WAKES_NOTHING, wake: plan, cleanup: [...cleanup, { kind: "remove_tree", path: place.directory }] },
    refusal: new Uint8Array(),
  });
  await until(() => parked(open) === 1);
  await Bun.sleep(2 * KEEP_MS);
  expect(parked(open)).toBe(1);
  expect(await ask(port)).toContain("200");
  expect(taken()).toBe(1);
  await world.launcher.request({ kind: "unlisten", id: "svc" });
  await world.launcher.request({ kind: "kill", id });
  await until(async () =>
    (await world.launcher.list()).containers.every(({ state }) => state > ContainerState.stopping),
  );
  await world.launcher.request({ kind: "forget", id });
  rmSync(root, { recursive: true });
});

async function listenSomewhere(): Promise<number> {
  const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = free;
  free.stop(true);
  await world.launcher.request({ kind: "listen", id: "svc", address: "127.0.0.1", port, path: "", backlog: 16 });
  return port;
}

function ask(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const socket = connect(port, "127.0.0.1", () => socket.write("GET / HTTP/1.0\r\n\r\n"));
  let text = "";
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("end", () => resolve(text));
  socket.on("error", reject);
  return promise;
}
