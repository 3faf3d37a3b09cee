/**
 * Runs every test there is, one suite after the other (they share the machine's cgroups, mounts and
 * cores): unit tests beside the sources, native programs, then each file of tests/, the leak test last,
 * so that it sees what all others left behind. `make test` calls it.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Glob } from "bun";
import { report } from "./report.ts";
import { type BunSuite, NOTHING, type Outcome, runBunSuite, runNative, sum } from "./suites.ts";

const ROOT = join(import.meta.dir, "..");
const LEAK_TEST = "tests/leak.test.ts";
const UNIT_MS = 20_000;
const INTEGRATION_MS = 120_000;

async function find(pattern: string): Promise<string[]> {
  return (await Array.fromAsync(new Glob(pattern).scan(ROOT))).sort();
}

async function unitSuites(): Promise<BunSuite[]> {
  const folders = ["src", "protocol", "scripts"];
  const files = await Promise.all(folders.map((folder) => find(`${folder}/**/*.test.ts`)));
  return folders
    .filter((_, index) => (files[index] ?? []).length > 0)
    .map((folder) => ({ name: folder, paths: [`./${folder}`], timeout: UNIT_MS }));
}

async function integrationSuites(): Promise<BunSuite[]> {
  const files = (await find("tests/**/*.test.ts")).filter((file) => !file.includes("/fixtures/"));
  const ordered = [...files.filter((file) => file !== LEAK_TEST), ...files.filter((file) => file === LEAK_TEST)];
  return ordered.map((file) => ({ name: file, paths: [`./${file}`], timeout: INTEGRATION_MS }));
}

/** Runs `suites` in order, each announced. */
async function runAll(suites: readonly BunSuite[]): Promise<Outcome> {
  const scratch = join(ROOT, "build/junit");
  await mkdir(scratch, { recursive: true });
  let outcome = NOTHING;
  for (const suite of suites) {
    console.log(`==> testing ${suite.name}`);
    outcome = sum(outcome, await runBunSuite(ROOT, suite, scratch));
  }
  return outcome;
}

/** One program for each C file of tests/native; make has built them. */
async function runNatives(): Promise<Outcome> {
  let outcome = NOTHING;
  for (const source of await find("tests/native/*.c")) {
    const program = join(ROOT, source.replace("tests/native/", "build/plain/test-").replace(/\.c$/, ""));
    console.log(`==> testing ${source}`);
    outcome = sum(outcome, await runNative(program));
  }
  return outcome;
}

const units = await runAll(await unitSuites());
const natives = await runNatives();
const integration = await runAll(await integrationSuites());
await report(ROOT, "tests", [units, natives, integration].reduce(sum));
