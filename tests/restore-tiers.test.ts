/**
 * The program that judges its own restore as a service: woken from the disk, as a clone of a memory template, and as a
 * process that was waiting already. Each way sets up the same state at other moments.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { findCriu, freePort, Machine } from "./support/machine.ts";
import { compileInto, RUNS } from "./support/restores.ts";

const criu = await findCriu();
const why = typeof criu === "string" ? ` (${criu})` : "";

async function judged(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/check`, { headers: { connection: "close" } });
  return response.text();
}

describe.skipIf(typeof criu === "string")(`wake-ups of the self-checking program${why}`, () => {
  let machine: Machine;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu, { fill: (root) => compileInto(root, "selfcheck") });
  }, 30_000);

  afterAll(async () => {
    expect(await machine.close()).toEqual([]);
  });

  test.each(["disk", "template", "parked"] as const)(
    `asleep in tier %s it loses nothing of its state, ${RUNS} times`,
    async (tier) => {
      const { services } = machine.daemon;
      const port = await freePort();
      const argv = ["/usr/bin/selfcheck", "8000"];
      // Its first check, before the dump, sees what the later ones are compared with.
      const spec = machine.service("judge", port, { argv, tier, warmup: ["/check"] });
      const { id } = await services.up(spec, () => {});
      expect(services.get(id)).toMatchObject({ engine: "thaw", tier, reasons: [] });
      for (let run = 1; run <= RUNS; run++) {
        for (const answer of [await judged(port), await judged(port)]) expect(answer).toMatch(/^ok \d+\n$/);
        await services.sleep(id);
        expect(services.get(id).lastWake).toMatchObject({ result: "restored", detail: "" });
      }
      await services.down("test");
    },
    RUNS * 5000 + 20_000,
  );
});
