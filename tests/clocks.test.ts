/** The clocks of restored processes: monotonic ones do not see the time asleep, the wall clock does. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { execOk } from "../src/common/exec.ts";
import { type Op, Phase, Role, Wait } from "../src/launcher/generated/protocol.ts";
import { runToEnd } from "../src/launcher/index.ts";
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

  test.each(programs)("with %s are those of who joins the container later, too", async (engine, argv) => {
    const { containers, checkpoints } = machine.daemon;
    const { id } = await containers.create(machine.container("joined", { argv }));
    await containers.start(id);
    await readings(id);
    expect(await checkpoints.create(id, "joined-1")).toMatchObject({ engine });
    await Bun.sleep(ASLEEP_MS);
    const again = await checkpoints.restore("joined-1", { containerName: "again" });
    const { boottime } = await readings(again.id);
    const uptime = 1000 * Number((await ranInside(again.id)).split(" ")[0]);
    expect(Math.abs(uptime - boottime)).toBeLessThan(ASLEEP_MS / 2);
    for (const name of ["joined", "again"]) await containers.remove(name, { force: true });
    await checkpoints.remove("joined-1");
  });

  /** What /proc/uptime says to a process that joins a container. */
  async function ranInside(container: string): Promise<string> {
    const { client } = machine.daemon;
    const output = join(machine.paths.run, "uptime");
    const look = ["/usr/bin/perl", "-e", 'open(F, "<", "/proc/uptime"); print <F>'];
    const plan: Op[] = [
      { kind: "spawn", role: Role.helper, wait: Wait.success, namespaces: 0n, join: 1 },
      { kind: "output_to", path: output },
      { kind: "join" },
      { kind: "mark", phase: Phase.exec },
      { kind: "exec", path: "/usr/bin/perl", argv: look, env: [] },
    ];
    await runToEnd(client, { kind: "run", id: "test.look", sandbox: container, stdio: 0, log: "", plan, cleanup: [] });
    return Bun.file(output).text();
  }
});
