/**
 * An error at every system call of the restorer: whatever fails, the launcher says what it was, and nothing of the
 * process, its cgroups or its mounts is left; or, where failing does no harm, the process runs as it should.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import type { ReadyCheckpoint } from "../src/checkpoint/index.ts";
import { findCriu, Machine } from "./support/machine.ts";
import { confinement, confinementLike, installIngredients, type Outcome, Restores } from "./support/restore-plans.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

/** So many restores in a row that nothing failed in: the end was reached. More than the calls whose failure is harmless. */
const UNTOUCHED = 24;
/** More calls than the restorer makes of this process. */
const MOST_CALLS = 2000;
const EIO = 5;

describe.skipIf(typeof criu === "string")("an error at each system call of the restorer", () => {
  let machine: Machine;
  let restores: Restores;
  let ready: ReadyCheckpoint;
  let before: { report: string; confinement: Record<string, string[]> };

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await installIngredients(machine);
    restores = new Restores(machine);
    const { containers, checkpoints } = machine.daemon;
    const id = await restores.start("ingredients");
    before = { report: await restores.report(id), confinement: confinement(containers.get(id).pid) };
    const info = await checkpoints.create(id, "ingredients-1");
    expect(info.reasons).toEqual([]);
    ready = await checkpoints.prepare("ingredients-1");
    await containers.remove(id);
  });

  afterAll(async () => {
    if (typeof criu !== "string") expect(await machine.close()).toEqual([]);
  });

  async function expectWhole(outcome: Outcome): Promise<void> {
    if (outcome.is !== "running") throw new Error(JSON.stringify(outcome));
    // Of what may fail at no harm, this is seen: the process is then traced by nobody.
    const report = (await restores.report(outcome.id)).replace(/dumpable=0/, "dumpable=1");
    expect(report).toBe(before.report);
    expect(await confinementLike(outcome.pid, before.confinement)).toEqual(before.confinement);
  }

  /** Fails call after call until there is none left. Resolves with the stages that were told. */
  async function failEach(run: (failAt: number) => Promise<Outcome>, whole: (outcome: Outcome) => Promise<void>) {
    const stages = new Set<string>();
    for (let failAt = 1, untouched = 0; untouched < UNTOUCHED; failAt++) {
      expect(failAt).toBeLessThan(MOST_CALLS);
      const outcome = await run(failAt);
      if (outcome.is === "running") {
        untouched++;
        await whole(outcome);
      } else {
        untouched = 0;
        expect({ failAt, ...outcome }).toMatchObject({ failAt, is: "failed", errno: expect.any(Number) });
        if (outcome.is === "failed") {
          expect(outcome.errno).toBeGreaterThan(0);
          expect(outcome.detail).not.toBe("");
          if (outcome.errno === EIO) stages.add(outcome.detail.replace(/ \d+$/, ""));
        }
      }
      expect(await restores.end(outcome)).toEqual([]);
    }
    return [...stages];
  }

  test("direct: a failed plan with its stage, or a process that is whole", async () => {
    const stages = await failEach((failAt) => restores.restore(ready, { failAt }), expectWhole);
    expect(stages).toContain("unmapping the launcher");
    expect(stages).toContain("making thread");
    expect(stages).toContain("saying that it runs");
    expect(stages.length).toBeGreaterThan(25);
  }, 240_000);

  test("clones of a template: the same, and the template goes on", async () => {
    const template = await restores.template(ready);
    if (template.is !== "running") throw new Error(JSON.stringify(template));
    const stages = await failEach((failAt) => restores.restore(ready, { template: template.id, failAt }), expectWhole);
    expect(stages).toContain("joining the container's cgroups");
    expect(stages).toContain("entering the sandbox");
    expect(stages).toContain("making thread");
    expect(await restores.end(template)).toEqual([]);
  }, 240_000);

  test("a template is made as a whole or not at all", async () => {
    const stages = await failEach(
      (failAt) => restores.template(ready, { failAt }),
      async () => {},
    );
    expect(stages).toContain("reading memory, run");
  }, 240_000);
});
