/** Checkpoints with the real launcher and the real CRIU: what a process is before a dump it is after a restore. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdir, readdir, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { dumpStopped } from "../src/checkpoint/engine/dump.ts";
import type { CompileHook } from "../src/checkpoint/index.ts";
import { exec } from "../src/common/exec.ts";
import { findCriu, Machine } from "./support/machine.ts";
import { statusOf, until } from "./support/world.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

describe.skipIf(typeof criu === "string")("checkpoints", () => {
  let machine: Machine;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
  });

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  /** Starts a server that has counted to `count`. */
  async function counted(name: string, count: number): Promise<string> {
    const { containers } = machine.daemon;
    const { id } = await containers.create(machine.container(name));
    await containers.start(id);
    for (let n = 1; n <= count; n++) expect(await machine.get(id, "/count")).toBe(String(n));
    return id;
  }

  async function logText(container: string): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const { bytes } of machine.daemon.containers.logs(container, { follow: false })) parts.push(bytes);
    return Buffer.concat(parts).toString();
  }

  async function restoreEntries(container: string): Promise<string> {
    return Bun.file(
      join(machine.daemon.containers.place(machine.daemon.containers.get(container).id).upper, "state"),
    ).text();
  }

  test("a container is dumped, ends, and comes back with its memory, files and output", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await counted("memory", 3);
    expect(await machine.get(id, "/write")).toBe("written");
    const confinement = (container: string) =>
      ["Seccomp", "Seccomp_filters", "NoNewPrivs"].map((field) => statusOf(containers.get(container).pid, field));
    expect(confinement(id)).toEqual(["2", "1", "1"]);
    const info = await checkpoints.create("memory", "memory-1");
    expect(info).toMatchObject({ name: "memory-1", containerName: "memory", engine: "thaw", incompatibilities: [] });
    expect(info.frozenMs).toBeGreaterThan(0);
    expect(info.pagesBytes).toBeGreaterThan(4096);
    expect(info.sizeBytes).toBeGreaterThan(info.pagesBytes);
    expect(containers.get(id)).toMatchObject({ state: "exited", exitCode: 137 });

    const restored = await checkpoints.restore("memory-1", { containerName: "again" });
    expect(restored).toMatchObject({ state: "running", restoredFrom: "memory-1" });
    expect(confinement("again")).toEqual(["2", "1", "1"]);
    expect(await machine.get("again", "/count")).toBe("4");
    expect(await machine.get("again", "/read")).toBe("3");
    expect(await logText("again")).toContain("/count\n");
    expect(await logText("again")).not.toContain("starting");
    await containers.stop("again", 2000);
    expect(containers.get("again")).toMatchObject({ state: "exited", exitCode: 143 });
    await containers.remove("again");
    await containers.remove(id);
    await checkpoints.remove("memory-1");
  });

  test("several restores live side by side and do not see each other's files", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await counted("seed", 1);
    await checkpoints.create(id, "seed-1");
    await containers.remove(id);
    const names = ["one", "two", "three", "four"];
    await Promise.all(names.map((containerName) => checkpoints.restore("seed-1", { containerName })));
    const counts = await forEachInTurn(names, async (name) => machine.get(name, "/count"));
    expect(counts).toEqual(["2", "2", "2", "2"]);
    expect(await machine.get("one", "/count")).toBe("3");
    await machine.get("one", "/write");
    expect(await machine.get("two", "/read")).toBe("none");
    expect(await restoreEntries("one")).toBe("3");
    await expect(checkpoints.remove("seed-1")).rejects.toMatchObject({ code: "IN_USE" });
    for (const name of names) await containers.remove(name, { force: true });
    await checkpoints.remove("seed-1");
  });

  test("a restored container can be checkpointed again", async () => {
    const { containers, checkpoints } = machine.daemon;
    await checkpoints.create(await counted("first", 2), "first-1");
    await checkpoints.restore("first-1", { containerName: "second" });
    expect(await machine.get("second", "/count")).toBe("3");
    await machine.get("second", "/write");
    await checkpoints.create("second", "second-1");
    await checkpoints.restore("second-1", { containerName: "third" });
    expect(await machine.get("third", "/count")).toBe("4");
    expect(await machine.get("third", "/read")).toBe("3");
    for (const name of ["first", "second", "third"]) await containers.remove(name, { force: true });
    await expect(checkpoints.remove("first-1")).rejects.toThrow("the checkpoint second-1 needs");
    await checkpoints.remove("second-1");
    await checkpoints.remove("first-1");
  });

  test("with leaveRunning the container goes on from where it was", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await counted("kept", 5);
    await checkpoints.create(id, "kept-1", { leaveRunning: true });
    expect(containers.get(id).state).toBe("running");
    expect(await machine.get(id, "/count")).toBe("6");
    await checkpoints.restore("kept-1", { containerName: "copy" });
    expect(await machine.get("copy", "/count")).toBe("6");
    for (const name of ["kept", "copy"]) await containers.remove(name, { force: true });
    await checkpoints.remove("kept-1");
  });

  const compiles: Record<string, [string, CompileHook | undefined]> = {
    "is put together for CRIU": ["no tables", async () => ({ engine: "thaw", reasons: [] })],
    "is restored by its tables": ["tables", undefined],
  };
  test.each(Object.entries(compiles))("a checkpoint that shares pages with others %s", async (_, [kind, compile]) => {
    const { containers, checkpoints, store } = machine.daemon;
    machine.compile = compile;
    const id = await counted("sharing", 2);
    await checkpoints.create(id, "sharing-1", { leaveRunning: true });
    expect(await machine.get(id, "/count")).toBe("3");
    await checkpoints.create(id, "sharing-2");
    machine.compile = undefined;
    const made = store.get("sharing-2");
    const tables = made.files.some(({ path }) => path === "compiled/process.tables");
    expect(tables).toBe(kind === "tables");
    const chosen = await checkpoints.prepare("sharing-2");
    expect(chosen.choice.engine.name).toBe(tables ? "thaw" : "criu");
    expect(made.files.map(({ path }) => path)).not.toContain("images/pages-1.img");
    const info = await checkpoints.get("sharing-2");
    expect(info).toMatchObject({ engine: "thaw", pagesBytes: made.pagesBytes, processes: 1, threads: 1 });
    expect(info.sharedBytes).toBeGreaterThan(info.pagesBytes / 2);
    await checkpoints.remove("sharing-1");
    expect((await checkpoints.get("sharing-2")).sharedBytes).toBe(0);
    const names = ["shared-a", "shared-b"];
    await Promise.all(names.map((containerName) => checkpoints.restore("sharing-2", { containerName })));
    const counts = await forEachInTurn(names, async (name) => machine.get(name, "/count"));
    expect(counts).toEqual(["4", "4"]);
    for (const name of [...names, "sharing"]) await containers.remove(name, { force: true });
    await checkpoints.remove("sharing-2");
    expect(await readdir(machine.paths.packs)).toEqual([]);
  });

  test("what cannot be dumped is refused before anything is tried", async () => {
    const { containers, checkpoints } = machine.daemon;
    await containers.create(machine.container("idle"));
    await expect(checkpoints.create("idle", "x")).rejects.toMatchObject({ code: "WRONG_STATE" });
    await containers.create(machine.container("bare", { init: false }));
    await containers.start("bare");
    await expect(checkpoints.create("bare", "x")).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
    await expect(checkpoints.create("nobody", "x")).rejects.toMatchObject({ code: "CONTAINER_NOT_FOUND" });
    await expect(checkpoints.restore("nothing")).rejects.toMatchObject({ code: "CHECKPOINT_NOT_FOUND" });
    for (const name of ["idle", "bare"]) await containers.remove(name, { force: true });
    expect(await checkpoints.list()).toEqual([]);
  });

  test("a dump that fails says CRIU's reason, leaves nothing, and the container goes on", async () => {
    const { containers, checkpoints } = machine.daemon;
    const id = await counted("watching", 1);
    expect(await machine.get(id, "/watch")).toBe("watched");
    const failure = await checkpoints.create(id, "watching-1").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "CHECKPOINT_FAILED", message: expect.stringMatching(/inotify|handle/i) });
    expect(await machine.get(id, "/count")).toBe("2");
    expect(await checkpoints.list()).toEqual([]);
    await containers.remove(id, { force: true });
  });

  test("a checkpoint of another kernel is refused with what differs", async () => {
    const { containers, checkpoints, database, store } = machine.daemon;
    await checkpoints.create(await counted("foreign", 1), "foreign-1");
    const manifest = store.get("foreign-1");
    const facts = { ...manifest.facts, kernelRelease: "5.10.0-8-amd64" };
    const json = JSON.stringify({ ...manifest, facts });
    database.query("UPDATE checkpoints SET json = ? WHERE name = ?").run(json, "foreign-1");
    const restoring = checkpoints.restore("foreign-1");
    await expect(restoring).rejects.toMatchObject({ code: "CHECKPOINT_INCOMPATIBLE" });
    await expect(restoring).rejects.toThrow("5.10.0-8-amd64");
    expect((await checkpoints.get("foreign-1")).incompatibilities.join()).toContain("5.10.0-8-amd64");
    expect(containers.list({ all: true }).map(({ spec }) => spec.name)).toEqual(["foreign"]);
    await containers.remove("foreign");
    await checkpoints.remove("foreign-1");
  });

  test("damaged images are found by their digest; one that is damaged later fails with CRIU's words", async () => {
    const { containers, checkpoints, store } = machine.daemon;
    await checkpoints.create(await counted("damaged", 1), "damaged-1");
    await checkpoints.restore("damaged-1", { containerName: "good" });
    const pages = join(store.directoryOf(store.get("damaged-1").id), "images", "pages-1.img");
    await truncate(pages, 0);
    const restoring = checkpoints.restore("damaged-1", { containerName: "bad" });
    await expect(restoring).rejects.toMatchObject({ code: "RESTORE_FAILED" });
    expect(
      containers
        .list({ all: true })
        .map(({ spec }) => spec.name)
        .sort(),
    ).toEqual(["damaged", "good"]);
    await expect(checkpoints.prepare("damaged-1", { verifyAgain: true })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
    for (const name of ["damaged", "good"]) await containers.remove(name, { force: true });
    await checkpoints.remove("damaged-1");
  });

  test("a daemon that died during a dump leaves the container stopped; the next one lets it go on", async () => {
    const { containers, client, store } = machine.daemon;
    const id = await counted("stopped", 1);
    if (typeof criu === "string") return;
    const { pid } = containers.get(id);
    const { dir } = await store.begin("stopped-1");
    await writeFile(join(machine.paths.run, `dumping-${id}`), "");
    const request = { client, program: criu, container: containers.get(id), upper: containers.place(id).upper };
    await dumpStopped({ ...request, directory: dir });
    // CRIU's SIGSTOP may still be on its way.
    await until(() => statusOf(pid, "State").startsWith("T"));
    await machine.stopDaemon();
    await machine.startDaemon();
    expect(await machine.get(id, "/count")).toBe("2");
    const again = machine.daemon;
    await again.checkpoints.create(id, "stopped-1");
    await again.containers.remove(id);
    await again.checkpoints.remove("stopped-1");
  });

  test("root in a container can neither write nor replace what CRIU believes of the kernel", async () => {
    const { containers } = machine.daemon;
    const attack = `print "seen " . (-s "/run/criu.kdat" ? "yes" : "no");
      print " write " . (open(F, ">", "/run/criu.kdat") ? "yes" : "no");
      print " unlink " . (unlink("/run/criu.kdat") ? "yes" : "no");
      print " rename " . (rename("/run/criu.kdat", "/run/x") ? "yes" : "no");
      print " move " . (rename("/run", "/away") ? "yes" : "no");`;
    const { id } = await containers.create({ ...machine.container("attacker"), argv: ["/usr/bin/perl", "-e", attack] });
    await containers.start(id);
    await containers.wait(id);
    expect(await logText(id)).toBe("seen yes write no unlink no rename no move no");
    await containers.remove(id);
  });

  test("nor can an image: one that hides or replaces it is not dumped", async () => {
    const { containers, checkpoints } = machine.daemon;
    const layers: Record<string, (run: string) => Promise<unknown>> = {
      file: (run) => mkdir(run).then(() => writeFile(join(run, "criu.kdat"), "of the image")),
      link: (run) => symlink("tmp", run),
      whiteout: (run) => exec(["mknod", run, "c", "0", "0"]),
    };
    for (const [name, make] of Object.entries(layers)) {
      const layer = join(machine.paths.data, name);
      await mkdir(layer);
      await make(join(layer, "run"));
      const { lowers, ...spec } = machine.container(name);
      const { id } = await containers.create({ ...spec, lowers: [layer, ...lowers] });
      await containers.start(id);
      const dump = checkpoints.create(id, `${name}-1`);
      await expect(dump).rejects.toMatchObject({
        code: "CHECKPOINT_FAILED",
        message: expect.stringContaining("hides"),
      });
      expect(containers.get(id).state).toBe("running");
      await containers.remove(id, { force: true });
    }
  });

  test("nothing of all this is left in the temporary directory", async () => {
    const found = await exec(["find", machine.paths.tmp, machine.paths.checkpoints, "-mindepth", "1"]);
    expect(found.stdout).toBe("");
  });
});

async function forEachInTurn<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (const item of items) results.push(await work(item));
  return results;
}
