/** Whatever is asked of a launcher that was told to end: it begins nothing more, ends, and nobody starts another. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { type Op, Role, type RunMessage, Wait } from "../src/launcher/generated/protocol.ts";
import { LauncherClient } from "../src/launcher/index.ts";
import { closeWorld, launcherPids, openWorld, statusOf, until, type World } from "./support/world.ts";

let world: World;

beforeEach(async () => {
  world = await openWorld();
});

afterEach(() => closeWorld(world));

const cleared = async () => {
  await until(() => launcherPids(world.paths).length === 0);
  expect([...(await world.cgroups.existing())]).toEqual([]);
};

/** A process without a sandbox that would go on for ever. */
const run = (id: string, first: readonly Op[] = []): RunMessage => ({
  ...{ kind: "run", id, sandbox: "", stdio: 0, log: "", cleanup: [] },
  plan: [
    ...first,
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 0 },
    { kind: "die_with_parent" },
    { kind: "exec", path: "/bin/sleep", argv: ["sleep", "1000"], env: [] },
  ],
});

test("what comes after the request to end, in the same breath, is refused", async () => {
  await world.launcher.request(run("early"));
  const other = await LauncherClient.connect(world.paths.launcherSocket);
  const told = other.request({ kind: "shutdown", force: 1 });
  const late = other.request(run("late")).catch((error: unknown) => error);
  const { plan, cleanup } = run("");
  const alsoLate = other.request({ kind: "prepare", id: "pool-late", plan, cleanup }).catch((error: unknown) => error);
  await told;
  const refusal = { code: "LAUNCHER_FAILED", message: expect.stringContaining("told to end") };
  expect(await late).toMatchObject(refusal);
  expect(await alsoLate).toMatchObject(refusal);
  other.close();
  // The world's own client sees its launcher vanish: it is as a daemon that knows nothing of the shutdown.
  world.launcher.close();
  await cleared();
});

test("a plan that waits for a port when the end comes does not go on once it has it", async () => {
  const taken = createServer();
  const port = await new Promise<number>((resolve) => {
    taken.listen(0, "127.0.0.1", () => resolve((taken.address() as AddressInfo).port)); // A TCP server has no other.
  });
  const hold = { kind: "port_hold", protocol: 6, address: "127.0.0.1", port } as const;
  await world.launcher.request(run("waiting", [hold]));
  await world.launcher.shutDown(true);
  taken.close();
  await cleared();
});

test("nothing is left of containers that are just being started", async () => {
  const starts = Array.from({ length: 20 }, (_, index) => world.launcher.request(run(`starting-${index}`)));
  const settled = Promise.allSettled(starts);
  await world.launcher.shutDown(true);
  await settled;
  await cleared();
});

test("the client that ends it asks nothing more and starts no other, even when it is killed in the middle", async () => {
  await world.launcher.request(run("early"));
  const pids = launcherPids(world.paths);
  const launcher = pids.find((pid) => pids.includes(Number(statusOf(pid, "PPid"))));
  const ended = world.launcher.shutDown(true);
  await expect(world.launcher.request({ kind: "list" })).rejects.toMatchObject({ code: "LAUNCHER_FAILED" });
  if (launcher !== undefined) process.kill(launcher, "SIGKILL");
  await ended;
  await until(() => launcherPids(world.paths).length === 0);
  // Time enough for a second one.
  await Bun.sleep(300);
  expect(launcherPids(world.paths)).toEqual([]);
});
