/**
 * Daemon, launcher and keeper are killed with SIGKILL at random moments, while containers start, checkpoints are made and
 * services wake. Whatever the moment: the service is still there, the very next request is answered, and when all is
 * stopped nothing is left.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { z } from "zod";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { seededRandom } from "./support/random.ts";
import { until } from "./support/world.ts";

const KILLS = 50;
const TIERS = ["disk", "parked", "template"] as const;
const servicesSchema = z.array(z.object({ id: z.string(), tier: z.string() }));
const criu = await findCriu();
const installed = new Installed();
/** Where services answer, by the tier they sleep in. */
const ports = new Map<string, number>();

const seed = Number(process.env.THAW_TEST_SEED ?? Date.now() % 1_000_000);
const random = seededRandom(seed);

const daemon = () => installed.daemonPids();
const launcher = () => installed.launcherPids();
const keeper = () => installed.keeperPids();

/** False when it had ended already: a second daemon that found the first one, for example. */
function kill(pid: number): boolean {
  try {
    return process.kill(pid, "SIGKILL");
  } catch {
    return false;
  }
}

async function ask(port: number | undefined): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/count`, { headers: { connection: "close" } });
  return `${response.status} ${await response.text()}`;
}

const anyPort = () => [...ports.values()][random(ports.size)];
const fileOf = (tier: string) => installed.composeFile(`web-${tier}`, ports.get(tier) ?? 0, "50ms", tier);

/** The tiers that services sleep in, by those that they shall. */
async function tiers(): Promise<Record<string, string>> {
  const { stdout } = await installed.thaw("services", "--json");
  return Object.fromEntries(
    servicesSchema.parse(JSON.parse(stdout)).map(({ id, tier }) => [id.replace(/^.*-web-/, ""), tier]),
  );
}

/** What goes on while the killing happens. Its failures are what the killing causes. */
async function bustle(round: number): Promise<void> {
  const name = `c${round}`;
  switch (random(3)) {
    case 0:
      await installed.thaw("run", "--rm", "perl", "/usr/bin/perl", "-e", "select(undef,undef,undef,0.05)");
      return;
    case 1:
      await installed.thaw("run", "-d", "--name", name, "perl");
      await installed.thaw("checkpoint", "create", name, `k${round}`);
      return;
    default:
      await ask(anyPort()).catch(() => {});
  }
}

beforeAll(async () => {
  if (typeof criu === "string") return;
  await installed.buildPerlImage();
  for (const tier of TIERS) {
    ports.set(tier, await freePort());
    const up = await installed.thaw("up", "-f", fileOf(tier));
    if (up.exitCode !== 0) throw new Error(up.stderr);
  }
});

afterAll(async () => {
  if (installed.pids().length > 0) await installed.thaw("daemon", "stop", "--force"); // the test failed midway
  installed.remove();
});

test.skipIf(typeof criu === "string")(
  `${KILLS} kills of daemon, launcher and keeper${typeof criu === "string" ? ` (${criu})` : ""}`,
  async () => {
    console.log(`    seed ${seed} (THAW_TEST_SEED repeats it)`);
    const killed = { daemon: 0, launcher: 0, keeper: 0 };
    for (let round = 0; round < KILLS; round++) {
      const busy = bustle(round);
      await Bun.sleep(random(250));
      const who = (["daemon", "daemon", "launcher", "launcher", "keeper"] as const)[random(5)] ?? "keeper";
      const pids = { daemon, launcher, keeper }[who]();
      killed[who] += pids.filter(kill).length;
      // The very next request, without a second try. The count starts anew at each wake-up.
      expect(await ask(anyPort()), `round ${round}, ${who} killed, seed ${seed}`).toMatch(/^200 \d+$/);
      await busy;
      expect(Object.keys(await tiers()).toSorted()).toEqual([...TIERS]);
    }
    // Each sleeps in its tier again.
    await until(async () => Object.entries(await tiers()).every(([wish, tier]) => wish === tier));
    expect(killed.daemon).toBeGreaterThan(5);
    expect(killed.launcher).toBeGreaterThan(5);
    expect(killed.keeper).toBeGreaterThan(0);

    await stopEverything();
    await until(() => installed.pids().length === 0);
    expect(await installed.leftovers()).toEqual([]);
  },
  280_000,
);

async function stopEverything(): Promise<void> {
  const done = async (...argv: string[]) => {
    const { exitCode, stderr } = await installed.thaw(...argv);
    expect(exitCode, `${argv.join(" ")}: ${stderr}`).toBe(0);
  };
  for (const tier of TIERS) await done("down", "-f", fileOf(tier));
  for (const line of (await installed.thaw("ps", "-a", "-q")).stdout.split("\n").filter(Boolean))
    await done("rm", "-f", line);
  const checkpoints = (await installed.thaw("checkpoint", "ls")).stdout.split("\n").slice(1).filter(Boolean);
  for (const line of checkpoints) await done("checkpoint", "rm", line.split(/\s+/)[0] ?? "");
  await done("daemon", "stop", "--force");
}
