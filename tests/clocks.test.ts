/** The clocks of restored processes: monotonic ones do not see the time asleep, the wall clock does. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { execOk } from "../src/common/exec.ts";
import { findCriu, Machine } from "./support/machine.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

const SOURCE = new URL("support/clocks.c", import.meta.url).pathname;
const ASLEEP_MS = 2000;

interface Readings {
  readonly monotonic: number;
  readonly boottime: number;
  readonly wall: number;
}

describe.skipIf(typeof criu === "string")("clocks of a checkpoint", () => {
  let machine: Machine;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await execOk(["gcc", "-O1", "-static", "-o", join(machine.root, "clocks"), SOURCE]);
  });

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  /** Milliseconds; what libc reads is what the kernel says, a moment later. */
  async function readings(container: string): Promise<Readings> {
    const [monotonic, monotonicBy, boottime, boottimeBy, wall] = (await machine.get(container, "/"))
      .split(" ")
      .map((text) => Number(BigInt(text) / 1_000_000n));
    if (monotonic === undefined || boottime === undefined || wall === undefined) throw new Error("no readings");
    expect(Math.abs(Number(monotonicBy) - monotonic)).toBeLessThan(ASLEEP_MS / 2);
    expect(Math.abs(Number(boottimeBy) - boottime)).toBeLessThan(ASLEEP_MS / 2);
    return { monotonic, boottime, wall };
  }

  /** Both clocks went on for at least `sleeps` sleeps less than the wall clock, which went on for all of them. */
  function expectAsleep(before: Readings, after: Readings, sleeps: number): void {
    const wall = after.wall - before.wall;
    expect(wall).toBeGreaterThanOrEqual(ASLEEP_MS * sleeps);
    for (const clock of ["monotonic", "boottime"] as const) {
      const gone = after[clock] - before[clock];
      expect(gone).toBeGreaterThanOrEqual(0);
      expect(wall - gone).toBeGreaterThan(ASLEEP_MS * sleeps - 100);
    }
    expect(Math.abs(after.wall - Date.now())).toBeLessThan(ASLEEP_MS / 2);
  }

  const programs = [
    ["thaw", ["/clocks"]],
    ["criu", ["/clocks", "forked"]],
  ] as const;
  test.each(programs)("go on with %s, also those of a restored container's checkpoint", async (engine, argv) => {
    const { containers, checkpoints } = machine.daemon;
    const { id } = await containers.create(machine.container("ticking", { argv }));
    await containers.start(id);
    const first = await readings(id);
    expect(await checkpoints.create(id, "ticking-1")).toMatchObject({ engine });
    await Bun.sleep(ASLEEP_MS);
    const second = await checkpoints.restore("ticking-1", { containerName: "second" });
    expectAsleep(first, await readings(second.id), 1);
    const again = await checkpoints.create(second.id, "ticking-2", { leaveRunning: true });
    expect(again).toMatchObject({ engine });
    await Bun.sleep(ASLEEP_MS);
    const third = await checkpoints.restore("ticking-2", { containerName: "third" });
    expectAsleep(first, await readings(third.id), 2);
    expectAsleep(first, await readings(second.id), 1);
    for (const name of ["ticking", "second", "third"]) await containers.remove(name, { force: true });
    for (const name of ["ticking-2", "ticking-1"]) await checkpoints.remove(name);
  });

  test.each(programs)("with %s are those of the whole sandbox: of its init, too", async (_, argv) => {
    const { containers, checkpoints } = machine.daemon;
    const { id } = await containers.create(machine.container("whole", { argv }));
    await containers.start(id);
    await readings(id);
    await checkpoints.create(id, "whole-1");
    const { pid } = await checkpoints.restore("whole-1", { containerName: "again" });
    const namespaces = await timeNamespaces(pid);
    expect(namespaces.size).toBe(1);
    expect(namespaces).not.toContain(await readlink("/proc/self/ns/time"));
    await containers.remove("again", { force: true });
    await containers.remove("whole", { force: true });
    await checkpoints.remove("whole-1");
  });
});

/** Time namespaces of all processes in the pid namespace of `main`. */
async function timeNamespaces(main: number): Promise<Set<string>> {
  const found = new Set<string>();
  const own = await readlink(`/proc/${main}/ns/pid`);
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const namespace = await readlink(`/proc/${pid}/ns/pid`).catch(() => "");
    if (namespace === own) found.add(await readlink(`/proc/${pid}/ns/time`));
  }
  return found;
}
