/** A lock on a file that is bound in: with each engine an instance has it again, or fails because another does. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../src/common/exec.ts";
import { findCriu, Machine } from "./support/machine.ts";
import { TRIED_ENGINES } from "./support/restores.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

/** CRIU waits for a lock, and is ended. */
const REFUSED: Readonly<Record<string, RegExp>> = {
  thaw: /locking the file of descriptor \d+: EWOULDBLOCK/,
  criu: /did not come to an end in time/,
};

for (const engine of TRIED_ENGINES) {
  const why = REFUSED[engine] ?? /^$/;
  describe.skipIf(typeof criu === "string")(`locks restored by ${engine}`, () => {
    let machine: Machine;
    let shared: string;

    beforeAll(async () => {
      if (typeof criu === "string") return;
      machine = await Machine.start(criu, { engine });
      shared = await mkdtemp(join(tmpdir(), "thaw-test-"));
    });

    afterAll(async () => {
      if (typeof criu === "string") return;
      await rm(shared, { recursive: true });
      expect(await machine.close()).toEqual([]);
    });

    const isFree = async () => (await exec(["flock", "-n", join(shared, "lock"), "true"])).exitCode === 0;

    test("are held again, and by one at a time", async () => {
      const { containers, checkpoints } = machine.daemon;
      const binds = [{ source: shared, target: "/shared", readonly: false }];
      const spec = machine.container("locking", { binds, env: ["THAW_TEST_LOCK=/shared/lock"] });
      const { id } = await containers.create(spec);
      await containers.start(id);
      expect(await machine.get(id, "/lock")).toBe("locked");
      expect(await isFree()).toBe(false);
      expect(await checkpoints.create(id, "locking-1")).toMatchObject({ engine });
      expect(await isFree()).toBe(true);
      await checkpoints.restore("locking-1", { containerName: "first" });
      expect(await isFree()).toBe(false);
      const second = await checkpoints.restore("locking-1", { containerName: "second" }).catch((error) => error);
      expect(second).toMatchObject({ code: "RESTORE_FAILED", message: expect.stringMatching(why) });
      expect(await machine.get("first", "/count")).toBe("1");
      await containers.remove("first", { force: true });
      expect(await isFree()).toBe(true);
      await checkpoints.restore("locking-1", { containerName: "third" });
      expect(await isFree()).toBe(false);
      for (const { id: left } of containers.list({ all: true })) await containers.remove(left, { force: true });
    }, 60_000);
  });
}
