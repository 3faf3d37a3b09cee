/** The daemon or the launcher dies at a bad moment: what runs goes on where it can, and what ended is known. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  abandon,
  closeWorld,
  launcherPids,
  leftovers,
  NOTHING_LEFT,
  openManager,
  openWorld,
  specOf,
  statusOf,
  textOf,
  until,
  type World,
} from "./support/world.ts";

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(async () => {
  try {
    for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
    expect(await leftovers(world)).toEqual(NOTHING_LEFT);
  } finally {
    await closeWorld(world);
  }
});

/** The daemon is killed and started again. */
async function restart(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
  abandon(world);
  await meanwhile();
  world = await openManager(world.paths, world.root);
}

/** A container that ends with 6 when the file `end` appears in the shared directory. */
async function startWaiting(): Promise<{ id: string; end: () => Promise<unknown> }> {
  const shared = join(world.root, "..", "shared");
  mkdirSync(shared, { recursive: true });
  const script = "echo before; while [ ! -e /shared/end ]; do sleep 0.01; done; echo after; exit 6";
  const binds = [{ source: shared, target: "/shared", readonly: true }];
  const { id } = await world.containers.create(specOf(world, ["sh", "-c", script], { binds, name: "survivor" }));
  await world.containers.start(id);
  return { id, end: () => Bun.write(join(shared, "end"), "") };
}

test("a new daemon sees the running container and its later end", async () => {
  const { id, end } = await startWaiting();
  const { pid, startedAt } = world.containers.get(id);
  await restart();
  expect(world.containers.get("survivor")).toMatchObject({ id, state: "running", pid, startedAt });
  const ended = world.containers.wait(id);
  await end();
  expect(await ended).toMatchObject({ exitCode: 6 });
  const log = await Array.fromAsync(world.containers.logs(id, { follow: false }));
  expect(textOf(log, "stdout")).toBe("before\nafter\n");
});

test("an end while no daemon was there is known to the next one, and then forgotten by the launcher", async () => {
  const { id, end } = await startWaiting();
  const { pid } = world.containers.get(id);
  await restart(async () => {
    await end();
    await until(() => !isAlive(pid));
  });
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 6, state: "exited" });
  expect((await world.launcher.list()).containers).toEqual([]);
});

test("a start that the daemon did not live to see is taken over", async () => {
  const { id } = await world.containers.create(specOf(world, ["sleep", "60"]));
  void world.containers.start(id).catch(() => {});
  await until(async () => (await world.launcher.list()).containers.length > 0);
  await restart();
  await until(() => world.containers.get(id).state === "running");
});

test("with the launcher its containers die; they are marked so, and others can be started", async () => {
  const { id } = await startWaiting();
  const ended = world.containers.wait(id);
  const back = Promise.withResolvers<void>();
  world.launcher.onReconnect(() => back.resolve());
  process.kill(launcherAlone(), "SIGKILL");
  await back.promise;
  await world.containers.reconcile();
  expect(await ended).toMatchObject({
    state: "exited",
    exitCode: 137,
    error: expect.stringContaining("launcher died"),
  });
  // Only its directory, until it is removed; what the dead launcher had is reaped meanwhile.
  await until(async () => Object.values(await leftovers(world)).flat().length === 1);
  const next = await world.containers.create(specOf(world, ["sh", "-c", "exit 3"]));
  await world.containers.start(next.id);
  expect(await world.containers.wait(next.id)).toMatchObject({ exitCode: 3 });
});

test("when the keeper dies as well the client starts both again", async () => {
  const { id } = await startWaiting();
  const back = Promise.withResolvers<void>();
  world.launcher.onReconnect(() => back.resolve());
  for (const pid of launcherPids(world.paths)) process.kill(pid, "SIGKILL");
  await back.promise;
  await world.containers.reconcile();
  expect(world.containers.get(id)).toMatchObject({ state: "exited", exitCode: 137 });
});

test("published ports are there again after the daemon's restart, and gone with their container", async () => {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const ports = [{ hostAddress: "127.0.0.1", hostPort: server.port, containerPort: 80, protocol: "tcp" as const }];
  server.stop(true);
  const { id } = await world.containers.create(specOf(world, ["sleep", "60"], { ports }));
  await world.containers.start(id);
  await restart();
  expect((await world.launcher.list()).listeners).toHaveLength(1);
  await world.containers.stop(id, 0);
  expect((await world.launcher.list()).listeners).toEqual([]);
});

/** The launcher without its keeper: the parent of the running containers. */
function launcherAlone(): number {
  const [container] = world.containers.list();
  return Number(statusOf(container?.pid ?? 0, "PPid"));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
