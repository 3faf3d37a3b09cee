/** Ending everything by force, whatever goes on at that moment, leaves nothing behind. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { seededRandom } from "./support/random.ts";

const criu = await findCriu();
const reason = typeof criu === "string" ? ` (${criu})` : "";
const installed = new Installed();
const ROUNDS = 8;
const factor = Number(process.env.THAW_FUZZ_FACTOR ?? 1);
const seed = Number(process.env.THAW_TEST_SEED ?? Date.now() % 1_000_000);

beforeAll(() => installed.buildPerlImage());
afterAll(async () => {
  if (installed.pids().length > 0) await installed.thaw("daemon", "stop", "--force"); // a test failed midway
  installed.remove();
});

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
    await expectNothingLeft();
  }
});

async function expectNothingLeft(what = ""): Promise<void> {
  // What is on the disk comes back with the next daemon, or is removed by it.
  const look = async () =>
    (await installed.leftovers()).filter((line) => !/^(containers|checkpoints|tmp)\//.test(line));
  // The keeper hears of it a moment after the launcher, and the kernel takes its time with network namespaces.
  for (let tries = 0; tries < 100 && (await look()).length > 0; tries++) await Bun.sleep(20);
  expect(await look(), what).toEqual([]);
}

test.skipIf(reason !== "")(
  `an end without force, while a container needs the checkpoint of a service that is no more${reason}`,
  async () => {
    const done = async (...argv: string[]) => {
      const { exitCode, stdout, stderr } = await installed.thaw(...argv);
      expect(exitCode, `${argv.join(" ")}: ${stderr}`).toBe(0);
      return stdout;
    };
    const file = installed.composeFile("kept", await freePort(), "1h", "template");
    await done("up", "-f", file);
    const tier = async () => JSON.parse(await done("services", "--json"))[0].tier;
    while ((await tier()) !== "template") await Bun.sleep(5);
    const [, line = ""] = (await done("checkpoint", "ls")).split("\n");
    await done("restore", line.split(/\s+/)[0] ?? "", "--name", "needs-it");
    await done("stop", "-t", "0", "needs-it");
    await done("down", "-f", file);
    await done("daemon", "stop");
    await expectNothingLeft();
    await done("rm", "needs-it");
    await done("daemon", "stop");
  },
);

/** Commands that are cut off when their time is over. */
class Clients {
  readonly #all: ReturnType<Installed["start"]>[] = [];

  start(...argv: string[]): void {
    this.#all.push(installed.start(...argv));
  }

  async cutOff(): Promise<void> {
    for (const client of this.#all) client.kill("SIGKILL");
    await Promise.all(this.#all.map((client) => client.exited));
  }
}

/** Something was killed in the middle of a stop, and may have left the rest: the next daemon clears it away. */
async function stopAgain(what: string): Promise<void> {
  await installed.thaw("ps");
  expect(await installed.thaw("daemon", "stop", "--force"), what).toMatchObject({ exitCode: 0 });
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}

test.skipIf(reason !== "")(
  `the end by force at any moment${reason}`,
  async () => {
    console.log(`    seed ${seed} (THAW_TEST_SEED repeats it)`);
    const random = seededRandom(seed);
    const ports = [await freePort(), await freePort()];
    const files = ["parked", "template"].map((tier, index) =>
      installed.composeFile(tier, ports[index] ?? 0, "40ms", tier),
    );
    for (let round = 0; round < ROUNDS * factor; round++) {
      // Starts the daemon, which the services come back with.
      await installed.thaw("daemon", "status");
      await installed.thaw("ps");
      const clients = new Clients();
      for (const file of files) if (random(3) > 0) clients.start("up", "-f", file);
      await Bun.sleep(random(1200));
      for (let number = random(4); number > 0; number--) {
        const network = ["bridge", "none"][random(2)] ?? "none";
        clients.start(
          "run",
          "--rm",
          "--network",
          network,
          "perl",
          "/usr/bin/perl",
          "-e",
          "select(undef,undef,undef,0.1)",
        );
      }
      const asked = ports
        .filter(() => random(2) > 0)
        .map((port) => fetch(`http://127.0.0.1:${port}/count`).catch(() => {}));
      await Bun.sleep(random(150));
      const stopping = installed.thaw("daemon", "stop", "--force");
      await Bun.sleep(random(20));
      await clients.cutOff();
      const victims = [() => installed.launcherPids(), () => installed.keeperPids(), () => installed.daemonPids()];
      // Nobody, most of the time.
      const pids = victims[random(2 * victims.length)]?.() ?? [];
      for (const pid of pids) kill(pid);
      const { exitCode, stderr } = await stopping;
      if (pids.length === 0) expect(exitCode, `round ${round}, seed ${seed}: ${stderr}`).toBe(0);
      else await stopAgain(`round ${round}, seed ${seed}`);
      await Promise.all(asked);
      await expectNothingLeft(`round ${round}, seed ${seed}`);
    }
  },
  ROUNDS * factor * 10_000,
);
