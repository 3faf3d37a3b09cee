/** Services with the real launcher and the real CRIU: asleep until a connection comes, awake within one restore. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { truncate } from "node:fs/promises";
import { join } from "node:path";
import type { MachineFacts } from "../src/checkpoint/facts.ts";
import type { Service } from "../src/service/types.ts";
import { findCriu, freePort, Machine } from "./support/machine.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: services need a working CRIU: ${criu}`);

const quiet = () => {};

describe.skipIf(typeof criu === "string")("services", () => {
  let machine: Machine;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
  });

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  const get = async (port: number, path: string) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: "close" } });
    return { status: response.status, text: await response.text() };
  };

  /** Resolves when the service is seen in a state that passes. */
  function until(id: string, passes: (service: Service) => boolean): Promise<Service> {
    const { services } = machine.daemon;
    return new Promise((resolve) => {
      const look = (service: Service) => {
        if (service.id !== id || !passes(service)) return;
        stop();
        resolve(service);
      };
      const stop = services.onChange(look);
      look(services.get(id));
    });
  }

  test.each([
    ["disk", ["sandbox", "restored", "connected", "first_byte"]],
    ["template", ["sandbox", "restored", "connected", "first_byte"]],
    ["parked", ["restored", "connected", "first_byte"]],
  ] as const)(
    "asleep in tier %s it wakes and sleeps ten times, each time from the same memory",
    async (tier, phases) => {
      const { services, containers } = machine.daemon;
      const port = await freePort();
      const lines: string[] = [];
      const service = await services.up(machine.service("web", port, { tier, warmup: ["/count"] }), (line) =>
        lines.push(line),
      );
      expect(service).toMatchObject({
        id: "test-web",
        state: "asleep",
        engine: "thaw",
        tier,
        wakes: 0,
        error: "",
      });
      expect(service.memoryBytes > 0).toBe(tier !== "disk");
      expect(lines.join("\n")).toContain("warm-up GET /count: 200");
      expect(containers.list({ all: true })).toEqual([]);
      const starts = new Set<string>();
      for (let round = 1; round <= 10; round++) {
        // The warm-up request was the first.
        expect((await get(port, "/count")).text).toBe("2");
        starts.add((await get(port, "/start")).text);
        const awake = await until("test-web", ({ state, wakes }) => state === "awake" && wakes === round);
        expect(awake.memoryBytes).toBeGreaterThan(0);
        expect(awake.lastWake).toMatchObject({ result: "restored", tier });
        await services.sleep("test-web");
        await until("test-web", ({ state }) => state === "asleep");
        if (tier === "parked") await until("test-web", ({ waiting }) => waiting);
      }
      expect(starts.size).toBe(1);
      const names = services.get("test-web").lastWake?.phases.map(({ name }) => name) ?? [];
      expect(names).toEqual([...phases]);
      expect(await services.down("test")).toBe(1);
      expect(services.list()).toEqual([]);
    },
  );

  test("200 clients at once find it asleep: 200 good answers, one restore", async () => {
    const { services } = machine.daemon;
    const port = await freePort();
    await services.up(machine.service("crowd", port), quiet);
    const answers = await Promise.all(Array.from({ length: 200 }, (_, n) => get(port, `/table/${n}`)));
    expect(answers.map(({ text }) => text)).toEqual(Array.from({ length: 200 }, (_, n) => String((n + 1) * 3)));
    const { wakes, state } = await until("test-crowd", ({ wakes }) => wakes > 0);
    expect({ wakes, state }).toEqual({ wakes: 1, state: "awake" });
    await services.down("test");
  });

  test("goes to sleep by itself, never while a connection is open", async () => {
    const { services } = machine.daemon;
    const port = await freePort();
    await services.up(machine.service("idle", port, { tier: "disk", idleMs: 100 }), quiet);
    expect((await get(port, "/slow")).text).toBe("/slow");
    expect((await get(port, "/slow")).text).toBe("/slow");
    expect(services.get("test-idle").wakes).toBe(1);
    expect(await until("test-idle", ({ state }) => state === "asleep")).toMatchObject({ memoryBytes: 0 });
    await services.down("test");
  });

  test("an equal spec changes nothing; a changed one replaces it behind the same socket", async () => {
    const { services, checkpoints } = machine.daemon;
    const port = await freePort();
    const spec = machine.service("replaced", port);
    await services.up(spec, quiet);
    const first = (await get(port, "/start")).text;
    const lines: string[] = [];
    await services.up(spec, (line) => lines.push(line));
    expect(lines).toEqual(["unchanged"]);
    expect((await get(port, "/start")).text).toBe(first);

    const replacing = services.up({ ...spec, env: ["THAW_TEST_TABLE=5"] }, quiet);
    const meanwhile = await Promise.all(Array.from({ length: 20 }, () => get(port, "/pid")));
    expect(meanwhile.every(({ status }) => status === 200)).toBe(true);
    await replacing;
    expect((await get(port, "/table/5")).text).toBe("");
    expect((await get(port, "/start")).text).not.toBe(first);
    expect((await checkpoints.list()).map(({ name }) => name)).toEqual(["svc-test-replaced-2"]);
    await expect(checkpoints.remove("svc-test-replaced-2")).rejects.toMatchObject({ code: "IN_USE" });
    await services.down("test");
    expect(await checkpoints.list()).toEqual([]);
  });

  test("healthy and log conditions are waited for", async () => {
    const { services } = machine.daemon;
    const port = await freePort();
    const slow = { env: ["THAW_TEST_DELAY=0.3"] };
    await services.up(
      machine.service("health", port, { ...slow, checkpoint: { when: "healthy", path: "/up" } }),
      quiet,
    );
    await services.up(
      machine.service("logged", await freePort(), { ...slow, checkpoint: { when: "log", pattern: "^listening" } }),
      quiet,
    );
    expect((await get(port, "/pid")).status).toBe(200);
    expect(await services.down("test")).toBe(2);
  });

  test("without a checkpoint each wake-up is a cold start", async () => {
    const { services, checkpoints } = machine.daemon;
    const port = await freePort();
    const service = await services.up(machine.service("cold", port, { checkpoint: { when: "never" } }), quiet);
    expect(service).toMatchObject({ state: "asleep", engine: "cold" });
    expect(await checkpoints.list()).toEqual([]);
    expect((await get(port, "/count")).text).toBe("1");
    await services.sleep("test-cold");
    expect((await get(port, "/count")).text).toBe("1");
    await services.down("test");
  });

  test("two ports of one service wake one instance", async () => {
    const { services } = machine.daemon;
    const [one, two] = [await freePort(), await freePort()];
    const port = (hostPort: number) => ({ hostAddress: "127.0.0.1", hostPort, containerPort: 8000 });
    await services.up(machine.service("double", one, { ports: [port(one), port(two)] }), quiet);
    const counts = await Promise.all([get(one, "/count"), get(two, "/count")]);
    expect(counts.map(({ text }) => text).sort()).toEqual(["1", "2"]);
    expect((await until("test-double", ({ wakes }) => wakes > 0)).wakes).toBe(1);
    await services.down("test");
  });

  test("a port in use fails early and leaves nothing; the other ports stay free", async () => {
    const { services, containers } = machine.daemon;
    const [free, used] = [await freePort(), await freePort()];
    const server = Bun.serve({ port: used, hostname: "127.0.0.1", fetch: () => new Response("mine") });
    const port = (hostPort: number) => ({ hostAddress: "127.0.0.1", hostPort, containerPort: 8000 });
    try {
      const ports = [port(free), port(used)];
      await expect(services.up(machine.service("late", free, { ports }), quiet)).rejects.toMatchObject({
        code: "PORT_IN_USE",
      });
      expect(services.list()).toEqual([]);
      expect(containers.list({ all: true })).toEqual([]);
      await expect(get(free, "/")).rejects.toThrow();
      await services.up(machine.service("early", free), quiet);
      const second = services.up(machine.service("second", free), quiet);
      await expect(second).rejects.toThrow("in use by the service test-early");
      await services.down("test");
    } finally {
      await server.stop(true);
    }
  });

  test("a service that ends or never listens is an error that says why, and leaves nothing", async () => {
    const { services, containers, checkpoints, client } = machine.daemon;
    const port = await freePort();
    const ended = services.up(machine.service("ends", port, { env: ["THAW_TEST_EXIT=3"] }), quiet);
    await expect(ended).rejects.toMatchObject({ code: "START_FAILED" });
    await expect(ended).rejects.toThrow(/code 3 .*giving up/);
    const deaf = { env: ["THAW_TEST_DELAY=60"], readyTimeoutMs: 300 };
    const late = services.up(machine.service("deaf", port, deaf), quiet);
    await expect(late).rejects.toMatchObject({ code: "NOT_READY" });
    await expect(late).rejects.toThrow("starting");
    const noProgram = services.up(machine.service("none", port, { argv: ["/no/such"] }), quiet);
    await expect(noProgram).rejects.toMatchObject({ code: "START_FAILED" });
    expect(services.list()).toEqual([]);
    expect(containers.list({ all: true })).toEqual([]);
    expect(await checkpoints.list()).toEqual([]);
    expect((await client.list()).listeners).toEqual([]);
    await expect(get(port, "/")).rejects.toThrow();
  });

  test("a failed replacement leaves the old one serving", async () => {
    const { services } = machine.daemon;
    const port = await freePort();
    const spec = machine.service("kept", port);
    await services.up(spec, quiet);
    expect((await get(port, "/count")).text).toBe("1");
    const bad = services.up({ ...spec, env: ["THAW_TEST_EXIT=1", "X=1"] }, quiet);
    await expect(bad).rejects.toMatchObject({ code: "START_FAILED" });
    expect((await get(port, "/count")).text).toBe("2");
    expect(services.get("test-kept").state).toBe("awake");
    await services.down("test");
  });

  test("damaged images: the fallback serves, the reason is kept, the checkpoint is made anew", async () => {
    const { services, store } = machine.daemon;
    const port = await freePort();
    await services.up(machine.service("broken", port, { tier: "disk" }), quiet);
    const directory = store.directoryOf(store.get("svc-test-broken-1").id);
    await truncate(join(directory, "images/pagemap-2.img"), 8);
    await truncate(join(directory, "compiled/process.tables"), 4000);
    expect((await get(port, "/count")).text).toBe("1");
    const { lastWake, reasons } = await until("test-broken", ({ wakes }) => wakes === 1);
    expect(lastWake?.result).toBe("fallback");
    expect(reasons.join()).toMatch(/tables.*then.*pagemap/s);
    await services.sleep("test-broken");
    await services.settled();
    expect(services.get("test-broken")).toMatchObject({ state: "asleep", engine: "thaw", fallbacks: 1 });
    expect((await get(port, "/count")).text).toBe("1");
    expect((await until("test-broken", ({ wakes }) => wakes === 2)).lastWake?.result).toBe("restored");
    await services.down("test");
  });

  test("a restore that never ends gives way to the fallback", async () => {
    const { services, store } = machine.daemon;
    const port = await freePort();
    await services.up(machine.service("hung", port, { tier: "disk" }), quiet);
    // The compiled engine says so, and CRIU 4.2.1 reads at the end of a short pages file for ever.
    await truncate(join(store.directoryOf(store.get("svc-test-hung-1").id), "images", "pages-1.img"), 4096);
    expect((await get(port, "/count")).text).toBe("1");
    expect((await until("test-hung", ({ wakes }) => wakes === 1)).lastWake?.result).toBe("fallback");
    await services.down("test");
  });

  test("sleeping and awake services outlive the daemon; wake-ups meanwhile are counted", async () => {
    const [asleep, awake] = [await freePort(), await freePort()];
    await machine.daemon.services.up(machine.service("asleep", asleep), quiet);
    await machine.daemon.services.up(machine.service("awake", awake), quiet);
    expect((await get(awake, "/count")).text).toBe("1");
    await until("test-awake", ({ wakes }) => wakes === 1);
    await machine.stopDaemon();
    expect((await get(asleep, "/count")).text).toBe("1");
    expect((await get(awake, "/count")).text).toBe("2");
    await machine.startDaemon();
    const { services, containers } = machine.daemon;
    expect(services.get("test-asleep")).toMatchObject({ state: "awake", wakes: 1 });
    expect(services.get("test-awake")).toMatchObject({ state: "awake", wakes: 1 });
    expect(
      containers
        .list()
        .map(({ service }) => service)
        .sort(),
    ).toEqual(["test-asleep", "test-awake"]);
    expect((await get(awake, "/count")).text).toBe("3");
    expect(await services.down("test")).toBe(2);
  });

  const elsewhere: Record<string, Partial<MachineFacts>> = {
    kernel: { kernelRelease: "5.10.0-8-amd64" },
    "kernel build": { kernelVersion: "#1 SMP another" },
    vDSO: { vdso: "0".repeat(64) },
    "CPU (": { cpuFlags: ["avx1024"] },
    CRIU: { criu: "99.1" },
    "thaw:": { thaw: "99.1.0" },
  };
  test.each(Object.entries(elsewhere))(
    "%s changed since: cold starts serve until there is a new checkpoint",
    async (what, facts) => {
      const port = await freePort();
      const { services, checkpoints, containers, database, store, client } = machine.daemon;
      await services.up(machine.service("moved", port), quiet);
      const manifest = store.get("svc-test-moved-1");
      const json = JSON.stringify({ ...manifest, facts: { ...manifest.facts, ...facts } });
      database.query("UPDATE checkpoints SET json = ? WHERE id = ?").run(json, manifest.id);
      // As after a reboot, nothing is armed any more.
      const back = new Promise<void>((resolve) => client.onReconnect(resolve));
      process.kill(await machine.launcherPid(), "SIGKILL");
      await back;
      const answer = get(port, "/count");
      await containers.reconcile();
      await services.reconcile();
      expect(services.get("test-moved").reasons.join()).toContain(what);
      expect((await answer).text).toBe("1");
      await services.settled();
      const [{ name, incompatibilities } = { name: "", incompatibilities: [""] }, ...others] = await checkpoints.list();
      expect([name, incompatibilities, others]).toEqual(["svc-test-moved-2", [], []]);
      expect(services.get("test-moved").reasons.join()).not.toContain("made on");
      await services.sleep("test-moved");
      await until("test-moved", ({ state }) => state === "asleep");
      expect((await get(port, "/count")).text).toBe("1");
      expect((await until("test-moved", ({ wakes }) => wakes > 0)).lastWake?.result).toBe("restored");
      await services.down("test");
    },
  );

  test("what is used gets the memory that another had, where there is only enough for one", async () => {
    const [first, second] = [await freePort(), await freePort()];
    await machine.daemon.services.up(machine.service("first", first, { tier: "template" }), quiet);
    const { memoryBytes } = machine.daemon.services.get("test-first");
    await machine.daemon.services.down("test");
    machine.memoryBudget = memoryBytes * 1.1;
    await machine.stopDaemon();
    await machine.startDaemon();
    const { services } = machine.daemon;
    const tiers = () => ["test-first", "test-second"].map((id) => services.get(id).tier);
    await services.up(machine.service("second", second), quiet);
    await services.up(machine.service("first", first), quiet);
    expect(tiers()).toEqual(["template", "disk"]);
    expect((await get(second, "/count")).text).toBe("1");
    while (tiers().join() !== "disk,template") await Bun.sleep(5);
    await services.sleep("test-second");
    expect((await get(second, "/count")).text).toBe("1");
    expect((await until("test-second", ({ wakes }) => wakes === 2)).lastWake).toMatchObject({ tier: "template" });
    await services.down("test");
    machine.memoryBudget = 2 ** 32;
    await machine.stopDaemon();
    await machine.startDaemon();
  });

  test("services outlive the launcher: connections queue until they are armed again", async () => {
    const { services, containers, client } = machine.daemon;
    const port = await freePort();
    await services.up(machine.service("phoenix", port), quiet);
    expect((await get(port, "/count")).text).toBe("1");
    const back = new Promise<void>((resolve) => client.onReconnect(resolve));
    process.kill(await machine.launcherPid(), "SIGKILL");
    await back;
    const answer = get(port, "/count");
    await containers.reconcile();
    await services.reconcile();
    expect((await answer).text).toBe("1");
    expect((await until("test-phoenix", ({ wakes }) => wakes === 2)).state).toBe("awake");
    await services.down("test");
  });
});
