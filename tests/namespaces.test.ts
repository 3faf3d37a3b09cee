/** Namespaces that are made late: the cgroup namespace with its view, and the time namespace on the level of plans. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { type ChildOp, encodePlan, type Op, Role, Wait } from "../src/launcher/generated/protocol.ts";
import { findLauncher } from "../src/launcher/index.ts";
import { Namespace, timeOffsets } from "../src/sandbox/index.ts";
import { closeWorld, openWorld, runToEnd, type World } from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  await closeWorld(world);
});

test("a container sees its own cgroups as roots, and may only read them", async () => {
  const script =
    "cat /proc/self/cgroup; ls /sys/fs/cgroup; cat /sys/fs/cgroup/pids/pids.max /sys/fs/cgroup/pids.max; echo 1 > /sys/fs/cgroup/pids/pids.max; echo 1 > /sys/fs/cgroup/pids.max";
  const limits = { memory: undefined, nanoCpus: undefined, pids: 77 };
  const { stdout, stderr } = await runToEnd(world, ["sh", "-c", script], { limits });
  const groups = stdout.split("\n").filter((line) => /^\d+:/.test(line));
  expect(groups.length).toBeGreaterThan(0);
  for (const line of groups) expect(line).toEndWith(":/");
  expect(stdout).toContain("\n77\n");
  expect(stdout).not.toContain("thaw");
  expect(stderr.match(/cannot create/g)).toHaveLength(2);
});

test("the mounts of a container tell nothing of where its cgroups are", async () => {
  const { stdout } = await runToEnd(world, ["sh", "-c", "cat /proc/self/mountinfo"]);
  const mounts = stdout.split("\n").filter((line) => line.includes(" - cgroup"));
  expect(mounts.length).toBeGreaterThan(0);
  for (const line of mounts) expect(line.split(" ")[3]).toBe("/");
});

/** Runs a plan without a daemon; its text. */
async function runPlan(plan: readonly Op[]): Promise<string> {
  const file = join(world.paths.run, "plan");
  await Bun.write(file, encodePlan(plan));
  const child = Bun.spawn(["sh", "-c", 'exec "$0" run --plan-fd 3 3<"$1"', findLauncher(), file], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return texts.join("");
}

const STREAMS: ChildOp = { kind: "stdio_at", stdin: 0, stdout: 1, stderr: 2 };
const uptime: ChildOp = { kind: "exec", path: "cat", argv: ["cat", "/proc/uptime"], env: [] };

test("a time namespace moves the clocks of who is made in it and of who joins it", async () => {
  const day = 86_400_000_000_000n;
  const offsets = timeOffsets({ monotonicNs: -1n, boottimeNs: 1000n * day });
  const inside = await runPlan([
    { kind: "spawn", role: Role.holder, wait: Wait.ready, namespaces: Namespace.pid, join: 0 },
    { kind: "die_with_parent" },
    offsets,
    { kind: "mark", phase: 0 },
    { kind: "ready" },
    { kind: "hold" },
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 1 },
    { kind: "join" },
    STREAMS,
    uptime,
  ]);
  expect(Number(inside.split(" ")[0])).toBeGreaterThan(86_400_000);
  const here = [{ kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 0 } as const, offsets];
  expect(Number((await runPlan([...here, STREAMS, uptime])).split(" ")[0])).toBeGreaterThan(86_400_000);
  expect(Number((await Bun.file("/proc/uptime").text()).split(" ")[0])).toBeLessThan(86_400_000);
});

test("clocks go on from what a plan says, also for who joins", async () => {
  const year = 31_536_000_000_000_000n;
  const inside = await runPlan([
    { kind: "spawn", role: Role.holder, wait: Wait.ready, namespaces: Namespace.pid, join: 0 },
    { kind: "die_with_parent" },
    { kind: "clock_from", monotonicNs: 0n, boottimeNs: 3n * year },
    { kind: "ready" },
    { kind: "hold" },
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 1 },
    { kind: "join" },
    STREAMS,
    uptime,
  ]);
  const seconds = Number(inside.split(" ")[0]);
  expect(seconds).toBeGreaterThanOrEqual(3 * 31_536_000);
  expect(seconds).toBeLessThan(3 * 31_536_000 + 60);
});

test("clocks that the kernel does not take are refused, and nothing runs", async () => {
  const spawn = { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 0 } as const;
  const bad = { kind: "time_offsets", monotonicS: 0, monotonicNs: 1_000_000_000, boottimeS: 0, boottimeNs: 0 } as const;
  expect(await runPlan([spawn, bad, STREAMS, uptime])).toContain("operation 1 (code 106): : Invalid argument");
  const early = timeOffsets({ monotonicNs: 0n, boottimeNs: -2_000_000_000n * 1_000_000_000n });
  expect(await runPlan([spawn, early, STREAMS, uptime])).toContain("setting the clocks of a time namespace");
  const never = { kind: "clock_from", monotonicNs: 1n << 63n, boottimeNs: 0n } as const;
  expect(await runPlan([spawn, never, STREAMS, uptime])).toContain("operation 1 (code 126): : Invalid argument");
  const late = { kind: "clock_from", monotonicNs: (1n << 63n) - 1n, boottimeNs: 0n } as const;
  expect(await runPlan([spawn, late, STREAMS, uptime])).toContain("setting the clocks of a time namespace");
});
