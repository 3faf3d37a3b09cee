/**
 * `thaw bench primitives` through the command line, with hardly any samples: that it measures every figure, keeps the
 * shape of the results, and leaves nothing behind, not even when it is interrupted. No figure is judged.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { reportSchema } from "../src/bench/schema.ts";
import { Cgroups, detectCgroups } from "../src/sandbox/index.ts";
import { outcome } from "./support/cli.ts";
import { until } from "./support/world.ts";

const MAIN = new URL("../src/cli/main.ts", import.meta.url).pathname;
/** All that the benchmark makes has its temporary directory's name, or is in it. */
const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function start(...argv: string[]) {
  const env = { ...process.env, TMPDIR: directory };
  return Bun.spawn([process.execPath, MAIN, "bench", "primitives", ...argv], {
    env,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

/** The cgroups of a run are named after its directory; undefined while there is none. */
function cgroupsOfRun(): string[] | undefined {
  const [run] = readdirSync(directory).filter((name) => name.startsWith("thaw-bench-"));
  if (run === undefined) return undefined;
  return new Cgroups(detectCgroups(), join(directory, run)).leaves("x").map((leaf) => dirname(leaf));
}

function readdirOrNone(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}

function expectNothingLeft(): void {
  expect(readdirSync(directory).filter((name) => name.startsWith("thaw-bench-"))).toEqual([]);
  expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(directory);
}

const FEW = ["--count", "2", "--paced", "1ms", "--layers", "1,3", "--mounts", "1,20", "--parallel", "2"];

test("each figure gives rows in the format of all benchmarks, on stdout and in the file", async () => {
  const file = join(directory, "primitives.json");
  const { exitCode, stdout, stderr } = await outcome(start(...FEW, "--json", "--json-file", file));
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const report = reportSchema.parse(JSON.parse(stdout));
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(report);
  expect(report.bench).toBe("primitives");
  const figures = new Set(report.rows.map(({ params }) => params?.figure));
  expect([...figures]).toEqual(["roots", "mount-namespaces", "namespaces", "network", "cgroups"]);
  for (const { name, n, note, min_ms, p50_ms, p99_ms, max_ms } of report.rows) {
    expect({ name, note }).toEqual({ name, note: undefined });
    expect(n).toBeGreaterThanOrEqual(2);
    expect([min_ms, p50_ms, p99_ms, max_ms].toSorted((a, b) => a - b)).toEqual([min_ms, p50_ms, p99_ms, max_ms]);
  }
  expect(report.rows.filter(({ pace }) => pace === "one every 1 ms").length).toBeGreaterThan(10);
  expectNothingLeft();
});

test("as text, one figure alone", async () => {
  const { exitCode, stdout } = await outcome(start("--only", "2", "--count", "2", "--mounts", "1,8"));
  expect(exitCode).toBe(0);
  expect(stdout).toContain("2. New mount namespaces");
  expect(stdout).toMatch(/^8 mounts +back-to-back +2 /m);
  expect(stdout).not.toContain("Cgroups:");
});

test("an interrupted run ends at once and takes everything along", async () => {
  const child = start("--only", "cgroups", "--seconds", "60");
  const text = new Response(child.stdout).text();
  const measuring = (parent: string) => readdirOrNone(parent).some((name) => name.startsWith("measure-"));
  await until(() => cgroupsOfRun()?.some(measuring) === true);
  const parents = cgroupsOfRun() ?? [];
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await text).toBe("");
  expectNothingLeft();
  expect(parents.filter(existsSync)).toEqual([]);
});

test("options that make no sense are refused by name", async () => {
  for (const [option, value] of [
    ["--only", "6"],
    ["--count", "0"],
    ["--layers", "1,x"],
    ["--parallel", "1000"],
    ["--paced", "soon"],
  ] as const) {
    const { exitCode, stderr } = await outcome(start(option, value));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(option);
  }
});
