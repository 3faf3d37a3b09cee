/**
 * Memory templates and clones that end at bad moments: whoever waits is told, nobody waits for ever, and nothing is left.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import type { ReadyCheckpoint } from "../src/checkpoint/index.ts";
import { findCriu, Machine } from "./support/machine.ts";
import { installIngredients, type Outcome, Restores } from "./support/restore-plans.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

const AT_ONCE = 8;
const ROUNDS = 12;

describe.skipIf(typeof criu === "string")("templates and clones that end at bad moments", () => {
  let machine: Machine;
  let restores: Restores;
  let ready: ReadyCheckpoint;
  let report: string;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await installIngredients(machine);
    restores = new Restores(machine);
    const { checkpoints, containers } = machine.daemon;
    const id = await restores.start("racing");
    report = await restores.report(id);
    await checkpoints.create(id, "racing");
    await containers.remove(id);
    ready = await checkpoints.prepare("racing");
  });

  afterAll(async () => {
    if (typeof criu !== "string") expect(await machine.close()).toEqual([]);
  });

  async function template(): Promise<Outcome & { is: "running" }> {
    const outcome = await restores.template(ready);
    if (outcome.is !== "running") throw new Error(JSON.stringify(outcome));
    return outcome;
  }

  /** Each runs as a whole or was told to have failed. */
  async function expectSettled(outcomes: readonly Outcome[], isKilled: boolean): Promise<void> {
    for (const outcome of outcomes) {
      expect(outcome.is).not.toBe("hung");
      if (outcome.is === "running" && !isKilled) expect(await restores.report(outcome.id)).toBe(report);
      if (outcome.is === "failed") expect(outcome.detail).not.toBe("");
      expect(await restores.end(outcome)).toEqual([]);
    }
  }

  test("a template that is killed while it is asked: its clones run, or have failed", async () => {
    const seen = new Set<string>();
    for (let round = 0; round < ROUNDS; round++) {
      const { id, pid, is } = await template();
      const asked = Array.from({ length: AT_ONCE }, () => restores.restore(ready, { template: id }));
      await Bun.sleep(round);
      process.kill(pid, "SIGKILL");
      const outcomes = await Promise.all(asked);
      for (const outcome of outcomes) seen.add(outcome.is);
      await expectSettled(outcomes, false);
      expect(await restores.end({ id, pid, is })).toEqual([]);
    }
    expect(seen).toContain("failed");
  }, 120_000);

  test("a template that is gone is said to be gone", async () => {
    const { id, pid, is } = await template();
    process.kill(pid, "SIGKILL");
    await until(() => !existsSync(`/proc/${pid}`));
    const outcome = await restores.restore(ready, { template: id });
    expect(outcome).toMatchObject({ is: "failed", detail: "its memory template is gone" });
    await restores.end(outcome);
    await restores.end({ id, pid, is });
  });

  test("clones that are killed at any moment end, and the template goes on", async () => {
    const holder = await template();
    for (let round = 0; round < ROUNDS; round++) {
      const asked = Array.from({ length: AT_ONCE }, () =>
        restores.restore(ready, { template: holder.id, killAfterMs: round / 2 }),
      );
      await expectSettled(await Promise.all(asked), true);
    }
    const whole = await restores.restore(ready, { template: holder.id });
    await expectSettled([whole], false);
    expect(await restores.end(holder)).toEqual([]);
  }, 120_000);

  test("when the launcher is killed its templates and clones end with it", async () => {
    const holder = await template();
    const clone = await restores.restore(ready, { template: holder.id });
    if (clone.is !== "running") throw new Error(JSON.stringify(clone));
    process.kill(await machine.launcherPid(), "SIGKILL");
    await until(() => !existsSync(`/proc/${holder.pid}/exe`) && !existsSync(`/proc/${clone.pid}/exe`));
    // Their leaves are the daemon's to remove.
    await machine.daemon.containers.reconcile();
  });
});
