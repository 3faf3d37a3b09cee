/**
 * The daemon, the launcher and CRIU are killed at moments spread over the making of a checkpoint. Whatever the moment: the
 * checkpoint is whole or not there, nothing is left of it, and the container goes on where it was (with the launcher it
 * ends, as always).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Installed } from "./support/installed.ts";
import { findCriu } from "./support/machine.ts";
import { statusOf, until } from "./support/world.ts";

const MOMENTS = 12;
const criu = await findCriu();

describe.skipIf(typeof criu === "string")(`kills during a dump${typeof criu === "string" ? ` (${criu})` : ""}`, () => {
  const installed = new Installed();
  let address = "";
  /** How long it takes to make the checkpoint when nobody is killed, ms. */
  let whole = 0;

  beforeAll(async () => {
    await installed.buildPerlImage();
    await start();
    await create(0);
    whole = 0;
    await create(0);
  });

  afterAll(async () => {
    if (installed.pids().length > 0) await installed.thaw("daemon", "stop", "--force"); // a test failed midway
    installed.remove();
  });

  /** A server with enough memory for a dump to be met in the middle. */
  async function start(): Promise<void> {
    await thaw("run", "-d", "--name", "web", "--network", "bridge", "-e", "THAW_TEST_TABLE=300000", "perl");
    await until(async () => (await thaw("logs", "web")).includes("listening"));
    address = JSON.parse(await thaw("inspect", "web"))[0].NetworkSettings.Networks.bridge.IPAddress;
  }

  async function thaw(...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await installed.thaw(...argv);
    if (exitCode !== 0) throw new Error(`thaw ${argv.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  async function ask(path: string): Promise<string> {
    const response = await fetch(`http://${address}:8000${path}`, { headers: { connection: "close" } });
    return response.text();
  }

  /** Makes a checkpoint, does something after a while, and says whether it is there. Takes it away again. */
  async function create(afterMs: number, act: () => void = () => {}): Promise<boolean> {
    const began = performance.now();
    const making = installed.start("checkpoint", "create", "--leave-running", "web", "k");
    await Bun.sleep(afterMs);
    act();
    await making.exited;
    if (whole === 0) whole = performance.now() - began;
    const made = (await thaw("checkpoint", "ls", "-q")) === "k";
    if (made) {
      await thaw("restore", "--name", "copy", "k");
      await thaw("rm", "-f", "copy");
      await thaw("checkpoint", "rm", "k");
    }
    expect(halfMade()).toEqual([]);
    return made;
  }

  function halfMade(): string[] {
    const entries = ["tmp", "checkpoints", "packs"].map((name) => join(installed.data, name)).filter(existsSync);
    return entries.flatMap((directory) => readdirSync(directory));
  }

  function kill(pids: readonly number[]): number {
    for (const pid of pids) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    }
    return pids.length;
  }

  /** CRIUs that the launcher made. */
  function dumping(): number[] {
    const launchers = installed.launcherPids();
    const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
    return pids.filter((pid) => {
      try {
        if (!launchers.includes(Number(statusOf(pid, "PPid")))) return false;
        return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("/criu");
      } catch {
        return false;
      }
    });
  }

  const moments = Array.from({ length: MOMENTS }, (_, round) => round);

  test("of the daemon: the container goes on", async () => {
    let count = Number(await ask("/count"));
    let lost = 0;
    for (const round of moments) {
      const made = await create((whole * round) / MOMENTS, () => void kill(installed.daemonPids()));
      if (!made) lost++;
      expect(await ask("/count"), `killed after ${round}/${MOMENTS}`).toBe(String(++count));
    }
    expect(lost).toBeGreaterThan(0);
    expect(await create(0)).toBe(true);
  });

  // For a moment CRIU has its own code and registers in the process. Killed then, it takes the process along: there is
  // nobody who could give them back.
  test("of CRIU: the container goes on, or has ended, and nothing else happens", async () => {
    let count = Number(await ask("/count"));
    let [killed, ended] = [0, 0];
    for (const round of moments) {
      await create((whole * round) / MOMENTS, () => {
        killed += kill(dumping());
      });
      const answer = await ask("/count").catch(() => "none");
      if (answer !== "none") {
        expect(answer, `killed after ${round}/${MOMENTS}`).toBe(String(++count));
        continue;
      }
      ended++;
      await until(async () => (await thaw("ps", "-a")).includes("Exited"));
      await thaw("rm", "web");
      await start();
      count = 0;
    }
    expect(killed).toBeGreaterThan(0);
    expect(ended).toBeLessThan(killed);
    await until(() => create(0));
  });

  test("of the launcher: nothing is left", async () => {
    for (const round of moments) {
      await create((whole * round) / MOMENTS, () => void kill(installed.launcherPids()));
      // The daemon may not know yet that it has ended.
      await until(async () => (await installed.thaw("rm", "-f", "web")).exitCode === 0);
      await start();
    }
    await thaw("rm", "-f", "web");
    await thaw("daemon", "stop", "--force");
    await until(() => installed.pids().length === 0);
    expect(await installed.leftovers()).toEqual([]);
  });
});
