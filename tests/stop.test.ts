/** Ending everything by force, while services are awake and containers run, leaves nothing behind. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
const reason = typeof criu === "string" ? ` (${criu})` : "";
const installed = new Installed();

beforeAll(() => installed.buildPerlImage());
afterAll(() => installed.remove());

test.skipIf(reason !== "")(`the end by force of an awake service and a container${reason}`, async () => {
  const port = await freePort();
  const file = installed.composeFile("web", port, "1h");
  for (let round = 0; round < 5; round++) {
    expect((await installed.thaw("up", "-f", file)).exitCode).toBe(0);
    await installed.thaw("run", "-d", "perl", "/usr/bin/perl", "-e", "sleep 100");
    const answer = await fetch(`http://127.0.0.1:${port}/count`, { headers: { connection: "close" } });
    expect(answer.status).toBe(200);
    expect((await installed.thaw("daemon", "stop")).stderr).toContain("--force");
    expect((await installed.thaw("daemon", "stop", "--force")).exitCode).toBe(0);
    // The keeper hears of it a moment after the launcher.
    await until(() => installed.pids().length === 0);
    const left = await installed.leftovers();
    expect(left.filter((line) => !/^(containers|checkpoints)\//.test(line))).toEqual([]);
  }
});
