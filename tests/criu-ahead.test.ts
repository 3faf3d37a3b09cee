/** CRIU that is started ahead of the connection it is for: it waits in its sandbox, with nothing read of the checkpoint. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { copyFile, readFile } from "node:fs/promises";
import { join } from "node:path";
import { sandboxCleanup } from "../src/checkpoint/index.ts";
import { execOk } from "../src/common/exec.ts";
import { ContainerState, type LauncherEvent, WakeResult } from "../src/launcher/generated/protocol.ts";
import { findCriu, freePort, Machine } from "./support/machine.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

const SOURCE = new URL("support/clocks.c", import.meta.url).pathname;
const TREE = new URL("support/tree.pl", import.meta.url).pathname;
const HELD_MS = 1500;

describe.skipIf(typeof criu === "string")("CRIU made ahead", () => {
  let machine: Machine;
  let events: LauncherEvent[] = [];

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await execOk(["gcc", "-O1", "-static", "-o", join(machine.root, "clocks"), SOURCE]);
    machine.daemon.client.onEvent((event) => events.push(event));
  });

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  const TARGET = "b".repeat(64);
  const unix = () => join(machine.paths.run, "ahead.sock");
  const ofKind = (kind: LauncherEvent["kind"]) => events.filter((event) => event.kind === kind);

  /** Milliseconds of the monotonic clock, as the service says. */
  async function ask(): Promise<number> {
    const response = await fetch("http://localhost/", { unix: unix(), headers: { connection: "close" } });
    return Number((await response.text()).split(" ")[0]) / 1e6;
  }

  /** A sleeping service of a checkpoint of two processes. @returns what its clock said at the dump. */
  async function asleep(): Promise<number> {
    const { client, containers, checkpoints } = machine.daemon;
    events = [];
    const { id } = await containers.create(machine.container("origin", { argv: ["/clocks", "forked"] }));
    await containers.start(id);
    await machine.get(id, "/");
    expect(await checkpoints.create(id, "ahead-1")).toMatchObject({ engine: "criu" });
    const ready = await checkpoints.prepare("ahead-1");
    const place = containers.place(TARGET);
    const { plan: wake } = checkpoints.compile(ready, place, { layer: "drop", ahead: true });
    const cleanup = sandboxCleanup(ready.restoredSpec, place, machine.cgroups, "drop");
    await execOk(["mkdir", "-p", place.directory]);
    await client.request({ kind: "listen", id: "svc", address: "", port: 0, path: unix(), backlog: 8 });
    const plans = { ahead: 1, wake, second: [], fallback: [], cleanup };
    const times = { idleMs: 200, wakeMs: 5000, readyMs: 5000 };
    const route = { id: "svc", target: TARGET, port: 8000, stdio: 0, log: "", refusal: new Uint8Array() };
    await client.request({ kind: "route", ...route, ...times, ...plans });
    return Number(BigInt(ready.manifest.clocks?.monotonicNs ?? "0") / 1_000_000n);
  }

  async function end(): Promise<void> {
    const { client, containers, checkpoints } = machine.daemon;
    await client.request({ kind: "unlisten", id: "svc" });
    await client.request({ kind: "kill", id: TARGET }).catch(() => {});
    const isOver = ({ state }: { state: number }) => state === ContainerState.exited || state === ContainerState.failed;
    await until(async () => (await client.list()).containers.every(isOver));
    await client.request({ kind: "forget", id: TARGET }).catch(() => {});
    await execOk(["rm", "-rf", containers.place(TARGET).directory]);
    await containers.remove("origin", { force: true });
    await checkpoints.remove("ahead-1");
  }

  test("wakes when a connection comes, again and again; the clocks begin then", async () => {
    const dumped = await asleep();
    for (let round = 1; round <= 3; round++) {
      await until(() => ofKind("held").length === round);
      await Bun.sleep(HELD_MS);
      const now = await ask();
      expect(now).toBeGreaterThanOrEqual(dumped);
      expect(now - dumped).toBeLessThan(HELD_MS);
      await until(() => ofKind("woke").length === round);
      expect(ofKind("woke")[round - 1]).toMatchObject({ result: WakeResult.restored, ahead: 1 });
    }
    await end();
  });

  test("serves a connection that comes while it is being made", async () => {
    await asleep();
    expect(await ask()).toBeGreaterThan(0);
    await until(() => ofKind("woke").length === 1);
    expect(ofKind("woke")).toMatchObject([{ result: WakeResult.restored }]);
    await end();
  });

  test("that died while it waited is told, and the next connection served as if none had been made", async () => {
    await asleep();
    await until(() => ofKind("held").length === 1);
    await until(async () => (await waiting()).length === 1);
    for (const pid of await waiting()) process.kill(pid, "SIGKILL");
    await until(() => ofKind("held").length === 2);
    expect(ofKind("held")[1]).toMatchObject({ ok: 0 });
    expect(await ask()).toBeGreaterThan(0);
    await until(() => ofKind("woke").length === 1);
    expect(ofKind("woke")).toMatchObject([{ result: WakeResult.restored, ahead: 0 }]);
    await end();
  });

  test("ends with its service", async () => {
    await asleep();
    await until(() => ofKind("held").length === 1);
    await until(async () => (await waiting()).length === 1);
    await end();
  });

  test("is how a service of several processes is parked", async () => {
    const { services } = machine.daemon;
    await copyFile(TREE, join(machine.root, "tree.pl"));
    const port = await freePort();
    const argv = ["/usr/bin/perl", "/tree.pl"];
    await services.up(machine.service("tree", port, { argv, tier: "parked" }), () => {});
    for (let round = 1; round <= 5; round++) {
      await until(() => services.get("test-tree").waiting);
      expect(services.get("test-tree")).toMatchObject({ engine: "criu", tier: "parked", state: "asleep" });
      expect(await (await fetch(`http://127.0.0.1:${port}/pipe`, { headers: { connection: "close" } })).text()).toMatch(
        /^1 /,
      );
      await until(() => services.get("test-tree").wakes === round);
      expect(services.get("test-tree").lastWake).toMatchObject({ result: "restored", tier: "parked" });
      await services.sleep("test-tree");
    }
    await services.down("test");
  });

  /** Host pids of CRIU in the service's sandbox. */
  async function waiting(): Promise<number[]> {
    const leaf = machine.cgroups.leaf(TARGET, "pids") ?? "";
    const pids = (await readFile(join(leaf, "cgroup.procs"), "utf8")).split("\n").filter(Boolean).map(Number);
    const names = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")));
    return pids.filter((_, index) => names[index]?.startsWith("ld-linux"));
  }
});
