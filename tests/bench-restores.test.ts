/**
 * The benchmarks of restores through the command line, with hardly any samples: that each combination of engine and
 * tier is measured or missing for a reason, in the shape of all results, and that nothing is left behind. No figure
 * is judged.
 */
import { afterAll, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Report, type Row, reportSchema } from "../src/bench/schema.ts";
import { BenchRuns, expectOrder } from "./support/bench.ts";
import { outcome } from "./support/cli.ts";
import { findCriu } from "./support/machine.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
const where = typeof criu === "string" ? ` (${criu})` : "";
const runs = new BenchRuns();

afterAll(() => runs.remove());

const COMBINATIONS = [
  ...["criu-packaged/disk", "criu-tuned/disk", "criu-tuned/parked"],
  ...["thaw/disk", "thaw/template", "thaw/parked"],
];
/** What every machine with a CRIU can do. */
const ALWAYS = ["criu-packaged/disk", "criu-tuned/disk"];

async function reportOf(...argv: string[]): Promise<Report> {
  const file = join(runs.directory, "report.json");
  const { exitCode, stdout, stderr } = await outcome(runs.start([...argv, "--json", "--json-file", file]));
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  const report = reportSchema.parse(JSON.parse(stdout));
  expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(report);
  for (const row of report.rows) expectMeasuredOrMissing(row);
  runs.expectNothingLeft();
  return report;
}

/** A row without samples has no figures either, and says why. */
function expectMeasuredOrMissing(row: Row): void {
  expectOrder(row);
  // What is parked has its sandbox already.
  if (row.n > 0) expect(row.min_ms).toBeGreaterThanOrEqual(row.name.endsWith("/lean") ? 0 : Number.MIN_VALUE);
  else expect(row).toMatchObject({ max_ms: 0, note: expect.stringMatching(/\S/) });
}

const measured = ({ rows }: Report) => new Set(rows.filter(({ n }) => n > 0).map(({ name }) => name));

test.skipIf(where !== "")(`restore: every step of every engine, tier and size${where}`, async () => {
  const few = ["--runs", "2", "--dumps", "1", "--seconds", "0.1", "--paced", "30ms"];
  const report = await reportOf("restore", "--sizes", "1,3", ...few);
  const steps = ["dump", "lean", "restore", "execution"];
  const wanted = COMBINATIONS.flatMap((name) => [1, 3].flatMap((mb) => steps.map((step) => `${name}/${mb}/${step}`)));
  expect([...new Set(report.rows.map(({ name }) => name))].toSorted()).toEqual(wanted.toSorted());
  const found = measured(report);
  for (const name of wanted.filter((one) => ALWAYS.some((always) => one.startsWith(`${always}/`)))) {
    expect(found).toContain(name);
  }
  const restore = report.rows.filter(({ name }) => name === "criu-tuned/disk/1/restore");
  expect(restore.map(({ pace }) => pace)).toEqual(["back-to-back", expect.stringMatching(/^one every \d+0 ms$/)]);
  expect(restore[0]?.params).toMatchObject({ engine: "criu-tuned", tier: "disk", mb: 1, step: "restore" });
  const { phases } = report.extra as { phases: Record<string, Record<string, number>> };
  const at = phases["criu-tuned/disk/3"] ?? {};
  expect(Object.values(at).toSorted((a, b) => a - b)).toEqual(Object.values(at));
  expect(Object.keys(at)).toEqual(expect.arrayContaining(["sandbox", "first_instruction", "first_byte"]));
});

test.skipIf(where !== "")(`restore: as text, with what is missing and the targets${where}`, async () => {
  const engines = ["--engines", "criu-tuned/disk,thaw"];
  const { exitCode, stdout } = await outcome(runs.start(["restore", "--sizes", "1", "--runs", "1", ...engines]));
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^criu-tuned\/disk restore +[\d.]+ \/ [\d.]+$/m);
  expect(stdout).toMatch(/^(met|not met) +checkpoint of 1 MB, process frozen/m);
  expect(stdout).toMatch(/^(met|not met|not measured) +restore of 1 MB from a template to running, paced/m);
  expect(stdout).not.toContain("criu-packaged");
  runs.expectNothingLeft();
});

test.skipIf(where !== "")(`wake: asleep in each tier, awake, and cold${where}`, async () => {
  const few = ["--runs", "2", "--starts", "1", "--requests", "3", "--seconds", "0.1"];
  const report = await reportOf("wake", "--programs", "python", ...few);
  const tiers = COMBINATIONS.filter((name) => name !== "criu-packaged/disk").map((name) => `python/${name}`);
  const others = ["python/cold", "python/warm/close", "python/warm/keep-alive"];
  expect([...new Set(report.rows.map(({ name }) => name))].toSorted()).toEqual([...tiers, ...others].toSorted());
  for (const name of [...others, "python/criu-tuned/disk"]) expect(measured(report)).toContain(name);
});

test.skipIf(where !== "")(`wake: a program that cannot be built is missing with the reason${where}`, async () => {
  const argv = ["bench", "wake", "--programs", "flask", "--engines", "criu-tuned/disk", "--json"];
  const main = new URL("../src/cli/main.ts", import.meta.url).pathname;
  const env = { ...process.env, TMPDIR: runs.directory };
  const io = { stdin: "ignore", stdout: "pipe", stderr: "pipe" } as const;
  // Examples are looked for below the current directory.
  const { stdout } = await outcome(Bun.spawn([process.execPath, main, ...argv], { ...io, env, cwd: runs.directory }));
  const { rows } = reportSchema.parse(JSON.parse(stdout));
  expect(rows).toMatchObject([
    { name: "flask/criu-tuned/disk", n: 0, note: expect.stringContaining("cannot be built") },
  ]);
  runs.expectNothingLeft();
});

test.skipIf(where !== "")(`density: restored and cold instances, with what each holds${where}`, async () => {
  const report = await reportOf("density", "--instances", "2", "--megabytes", "8", "--small", "3");
  const names = new Set(report.rows.map(({ name }) => name));
  for (const subject of ["8-mb", "python"]) {
    for (const how of ["cold", "criu-tuned/disk", "thaw/disk", "thaw/template"]) {
      expect(names).toContain(`${subject}/${how}/start`);
    }
  }
  const small = report.rows.find(({ name }) => name === "python/criu-tuned/disk/start");
  expect(small).toMatchObject({ n: 3, per_second: expect.any(Number) });
  const { memory } = report.extra as { memory: Record<string, { idle: { pss: number; page_tables: number } }> };
  const large = memory["8-mb/criu-tuned/disk/start"];
  expect(large?.idle.pss).toBeGreaterThan(8 * 2 ** 20);
  expect(large?.idle.page_tables).toBeGreaterThan(0);
});

test.skipIf(where !== "")(`an interrupted run takes everything along${where}`, async () => {
  const child = runs.start([
    "restore",
    "--sizes",
    "1",
    "--engines",
    "criu-tuned/disk",
    "--seconds",
    "60",
    "--runs",
    "9999",
  ]);
  const stderr = new Response(child.stderr).text();
  await until(() => runs.cgroups()?.some(existsSync) === true);
  const parents = runs.cgroups() ?? [];
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await stderr).toContain("interrupted");
  runs.expectNothingLeft();
  expect(parents.filter(existsSync)).toEqual([]);
});

test("options that make no sense are refused by name", async () => {
  for (const [bench, option, value] of [
    ["restore", "--sizes", "0"],
    ["restore", "--engines", "crius"],
    ["restore", "--paced", "soon"],
    ["wake", "--programs", "cobol"],
    ["wake", "--engines", "criu-packaged/disk"],
    ["density", "--engines", "thaw/parked"],
    ["density", "--instances", "-1"],
  ] as const) {
    const { exitCode, stderr } = await outcome(runs.start([bench, option, value]));
    expect(exitCode).toBe(1);
    expect(stderr).toContain(option);
  }
});
