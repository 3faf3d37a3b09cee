/**
 * `thaw bench` through the command line, with hardly any samples: that `primitives` and `create` measure every figure,
 * keep the shape of the results, and leave nothing behind, not even when they are interrupted. No figure is judged.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { reportSchema } from "../src/bench/schema.ts";
import { BenchRuns, expectOrder, readdirOrNone } from "./support/bench.ts";
import { outcome } from "./support/cli.ts";
import { until } from "./support/world.ts";

const runs = new BenchRuns();
const { directory } = runs;

afterAll(() => runs.remove());

function start(bench: "primitives" | "create", ...argv: string[]) {
  return runs.start([bench, ...argv], { PATH: `${broken()}:${process.env.PATH}` });
}

/** A directory of programs that always fail, among them the engines: those that are installed are slow to try. */
function broken(): string {
  const path = join(directory, "broken");
  if (existsSync(path)) return path;
  mkdirSync(path);
  for (const name of ["bwrap", "podman", "docker"]) symlinkSync("/bin/false", join(path, name));
  return path;
}

const FEW = ["--count", "2", "--paced", "1ms", "--layers", "1,3", "--mounts", "1,20", "--parallel", "2"];

test("each figure gives rows in the format of all benchmarks, on stdout and in the file", async () => {
  const file = join(directory, "primitives.json");
  const { exitCode, stdout, stderr } = await outcome(start("primitives", ...FEW, "--json", "--json-file", file));
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const report = reportSchema.parse(JSON.parse(stdout));
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(report);
  expect(report.bench).toBe("primitives");
  const figures = new Set(report.rows.map(({ params }) => params?.figure));
  expect([...figures]).toEqual(["roots", "mount-namespaces", "namespaces", "network", "cgroups"]);
  for (const row of report.rows) {
    const { name, n, note } = row;
    expect({ name, note }).toEqual({ name, note: undefined });
    expect(n).toBeGreaterThanOrEqual(2);
    expectOrder(row);
  }
  expect(report.rows.filter(({ pace }) => pace === "one every 1 ms").length).toBeGreaterThan(10);
  runs.expectNothingLeft();
});

test("as text, one figure alone", async () => {
  const { exitCode, stdout } = await outcome(start("primitives", "--only", "2", "--count", "2", "--mounts", "1,8"));
  expect(exitCode).toBe(0);
  expect(stdout).toContain("2. New mount namespaces");
  expect(stdout).toMatch(/^8 mounts +back-to-back +2 /m);
  expect(stdout).not.toContain("Cgroups:");
});

test("an interrupted run ends at once and takes everything along", async () => {
  const child = start("primitives", "--only", "cgroups", "--seconds", "60");
  const text = new Response(child.stdout).text();
  const measuring = (parent: string) => readdirOrNone(parent).some((name) => name.startsWith("measure-"));
  await until(() => runs.cgroups()?.some(measuring) === true);
  const parents = runs.cgroups() ?? [];
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await text).toBe("");
  runs.expectNothingLeft();
  expect(parents.filter(existsSync)).toEqual([]);
});

const CRITICAL = [
  ...["shared-namespaces", "private", "private-unfiltered", "private-net", "userns"],
  ...["pooled", "pooled-net", "fresh-cgroup", "exec-true"],
];

test("create: every row of the critical path, several at a time, and whole commands", async () => {
  const few = ["--seconds", "0.05", "--runs", "1", "--paced", "2ms", "--at-once", "1,2"];
  const child = start("create", ...few, "--json");
  const ended = outcome(child);
  await until(() => runs.cgroups() !== undefined);
  const parents = runs.cgroups() ?? [];
  const { exitCode, stdout, stderr } = await ended;
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const report = reportSchema.parse(JSON.parse(stdout));
  const critical = report.rows.filter(({ params }) => params?.kind === "critical-path");
  expect([...new Set(critical.map(({ name }) => name))]).toEqual(CRITICAL);
  for (const row of critical) {
    expect(row).toMatchObject({ note: expect.not.stringContaining("fails") });
    expect(row.n).toBeGreaterThan(0);
    expectOrder(row);
    expect((row.per_second ?? 0) > 0).toBe(row.pace === "back-to-back");
  }
  const shapes = critical.filter(({ name }) => name === "private").map(({ pace, params }) => [pace, params?.at_once]);
  expect(shapes).toEqual([
    ["back-to-back", 1],
    ["back-to-back", 2],
    ["one every 2 ms", 1],
  ]);
  const commands = report.rows.filter(({ params }) => params?.kind === "whole-command");
  const found = new Map(commands.map((row) => [row.name, row]));
  for (const name of ["host /bin/true", "thaw run --rootfs", "thaw run IMAGE"]) expect(found.get(name)?.n).toBe(1);
  for (const name of ["bwrap --unshare-all", "podman run --network none"]) {
    expect(found.get(name)).toMatchObject({ n: 0, note: expect.stringMatching(/fails here/) });
  }
  expect(found.get("docker run --network none")).toMatchObject({ n: 0, note: "no docker engine answers" });
  runs.expectNothingLeft();
  expect(parents.filter(existsSync)).toEqual([]);
});

test("create: as text in 100 columns, with the targets that it has figures for; interrupted, nothing stays", async () => {
  const few = ["--only", "private,shared-namespaces", "--no-peers", "--paced", "2ms"];
  const { exitCode, stdout } = await outcome(start("create", ...few, "--seconds", "0.05", "--at-once", "1,2,4,8"));
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^private +\d+ +[\d.]+ +[\d.]+ +\d+ /m);
  expect(stdout).toMatch(/met +private, 2 at a time: at least 5000 a second/);
  expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
  const child = start("create", ...few, "--seconds", "60");
  const leaves = () => (runs.cgroups() ?? []).flatMap((parent) => readdirOrNone(parent));
  await until(() => leaves().includes("bench-0"));
  const parents = runs.cgroups() ?? [];
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  runs.expectNothingLeft();
  expect(parents.filter(existsSync)).toEqual([]);
});

test("options that make no sense are refused by name", async () => {
  for (const [bench, option, value] of [
    ["primitives", "--only", "6"],
    ["primitives", "--count", "0"],
    ["primitives", "--layers", "1,x"],
    ["primitives", "--parallel", "1000"],
    ["primitives", "--paced", "soon"],
    ["create", "--only", "public"],
    ["create", "--at-once", "0"],
    ["create", "--seconds", "-1"],
  ] as const) {
    const { exitCode, stderr } = await outcome(start(bench, option, value));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(option);
  }
});
