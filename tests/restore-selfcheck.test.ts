/**
 * A program that compares more than forty items of its own state before and after, with each engine: restored many
 * times, as another user, dumped again after a restore, restored many at a time, and killed while it comes back.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findCriu, Machine } from "./support/machine.ts";
import { compileInto, expectRight, RUNS, restoreChecked, startChecked, TRIED_ENGINES } from "./support/restores.ts";

const criu = await findCriu();
const fill = (root: string) => compileInto(root, "selfcheck");
const PORT = "8000";
const AT_ONCE = 4;

/** Of what an engine may refuse: the first that can restores it. */
const ON_REQUEST: readonly string[] = ["udp-socket", "deleted-file", "shared", "locked", "pending-signal"];
/** What CRIU 4.2.1 brings back, but wrong. */
const LOST_BY_CRIU: readonly string[] = ["unread-timer", "large-eventfd"];

for (const engine of TRIED_ENGINES) {
  const why = typeof criu === "string" ? ` (${criu})` : "";
  describe.skipIf(typeof criu === "string")(`restores by ${engine}${why}`, () => {
    let machine: Machine;

    beforeAll(async () => {
      if (typeof criu === "string") return;
      machine = await Machine.start(criu, { engine, fill });
      await startChecked(machine, "original", ["selfcheck", PORT]);
      const made = await machine.daemon.checkpoints.create("original", "checked");
      expect(made).toMatchObject({ engine, reasons: [] });
    }, 30_000);

    afterAll(async () => {
      expect(await machine.close()).toEqual([]);
    });

    test(
      `nothing of its state is lost, ${RUNS} times`,
      async () => {
        for (let run = 1; run <= RUNS; run++) await restoreChecked(machine, "checked", `run-${run}`);
      },
      RUNS * 5000,
    );

    test("another user's process comes back as its own", async () => {
      const { containers, checkpoints } = machine.daemon;
      // Files of the root are root's: what it makes itself is what it may write.
      const id = await startChecked(machine, "user", ["selfcheck", PORT, "-nice"], { user: "1234:1235" });
      expect(await checkpoints.create(id, "user-1")).toMatchObject({ engine });
      for (let run = 1; run <= Math.ceil(RUNS / 3); run++) await restoreChecked(machine, "user-1", `user-run-${run}`);
      await containers.remove(id);
      await checkpoints.remove("user-1");
    }, 60_000);

    test("a restored process can be dumped again, and again", async () => {
      const { containers, checkpoints } = machine.daemon;
      await checkpoints.restore("checked", { containerName: "first" });
      await expectRight(machine, "first");
      await checkpoints.create("first", "checked-2");
      await checkpoints.restore("checked-2", { containerName: "second" });
      await expectRight(machine, "second");
      await checkpoints.create("second", "checked-3");
      await restoreChecked(machine, "checked-3", "third");
      for (const name of ["first", "second"]) await containers.remove(name, { force: true });
      await checkpoints.remove("checked-3");
      await checkpoints.remove("checked-2");
    }, 60_000);

    for (const item of engine === "criu" ? [] : LOST_BY_CRIU) {
      test(`${item} comes back right`, async () => {
        const { containers, checkpoints } = machine.daemon;
        const id = await startChecked(machine, item, ["selfcheck", PORT, `+${item}`]);
        expect(await checkpoints.create(id, item)).toMatchObject({ engine });
        await restoreChecked(machine, item, `${item}-again`);
        await containers.remove(id);
        await checkpoints.remove(item);
      }, 30_000);
    }

    test("many come back at a time, and all are right", async () => {
      const names = Array.from({ length: AT_ONCE }, (_, index) => `side-${index}`);
      const { containers, checkpoints } = machine.daemon;
      await Promise.all(names.map((containerName) => checkpoints.restore("checked", { containerName })));
      for (const name of names) await expectRight(machine, name);
      for (const name of names) await containers.remove(name, { force: true });
    }, 60_000);

    test(
      "killed at any moment on its way it leaves nothing, and the next one is right",
      async () => {
        const { containers, checkpoints } = machine.daemon;
        const from = performance.now();
        await restoreChecked(machine, "checked", "measured");
        const longest = performance.now() - from;
        for (let run = 1; run <= RUNS; run++) {
          const containerName = `killed-${run}`;
          const restoring = checkpoints.restore("checked", { containerName }).catch(() => undefined);
          // At moments that are spread over all of a restore.
          await Bun.sleep(((run - 1) / RUNS) * longest);
          const started = containers.list({ all: true }).find(({ spec }) => spec.name === containerName);
          if (started) await machine.daemon.client.request({ kind: "kill", id: started.id }).catch(() => {});
          await restoring;
          await containers.remove(containerName, { force: true }).catch(() => {});
        }
        await restoreChecked(machine, "checked", "after");
        expect(containers.list({ all: true }).map(({ spec }) => spec.name)).toEqual(["original"]);
      },
      RUNS * 5000 + 20_000,
    );
  });
}

describe.skipIf(typeof criu === "string")("states that not every engine restores", () => {
  let machine: Machine;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu, { fill });
  }, 30_000);

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  for (const item of ON_REQUEST) {
    test(`${item}: comes back by the first engine that can`, async () => {
      const { containers, checkpoints } = machine.daemon;
      const id = await startChecked(machine, item, ["selfcheck", PORT, `+${item}`]);
      const { engine, reasons } = await checkpoints.create(id, `with-${item}`);
      // Whichever it is: every quicker one has said why not.
      expect(reasons.length > 0).toBe(TRIED_ENGINES.indexOf(engine) > 0);
      await restoreChecked(machine, `with-${item}`, "again");
      await containers.remove(id);
      await checkpoints.remove(`with-${item}`);
    }, 30_000);
  }
});
