/**
 * Runs every static check, and the native tests once more under the sanitizers. All run even when one
 * fails; a check's output is shown only when it failed. `make check` calls it.
 */
import { join } from "node:path";
import { Glob } from "bun";
import { report } from "./report.ts";
import { NOTHING, type Outcome, sum } from "./suites.ts";

interface Check {
  readonly name: string;
  readonly argv: readonly string[];
}

const ROOT = join(import.meta.dir, "..");
const BIN = join(ROOT, "node_modules/.bin");
const BUN = process.execPath;

/** What is checked. Compiler warnings of the C sources are errors of the build, which ran before. */
const CHECKS: readonly Check[] = [
  { name: "types", argv: [join(BIN, "tsc"), "--noEmit"] },
  { name: "lint and format", argv: [join(BIN, "biome"), "check", "--error-on-warnings", "."] },
  { name: "import directions", argv: [BUN, "scripts/check-imports.ts"] },
  { name: "forbidden text", argv: [BUN, "scripts/check-files.ts"] },
  { name: "generated files are fresh", argv: [BUN, "protocol/generate.ts", "--check"] },
  { name: "compiled hooks are fresh", argv: [BUN, "scripts/build-hooks.ts", "--check"] },
];

/** The sanitized native tests; make has built them. */
async function nativeChecks(): Promise<Check[]> {
  const sources = (await Array.fromAsync(new Glob("tests/native/*.c").scan(ROOT))).sort();
  return sources.map((source) => ({
    name: `${source} under the sanitizers`,
    argv: [join(ROOT, source.replace("tests/native/", "build/sanitized/test-").replace(/\.c$/, ""))],
  }));
}

async function run(check: Check): Promise<Outcome> {
  const child = Bun.spawn([...check.argv], { cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const output = Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  const failed = (await child.exited) !== 0;
  console.log(`${failed ? "FAILED" : "ok"}  ${check.name}`);
  if (!failed) return { ...NOTHING, passed: 1 };
  console.log((await output).join("").trimEnd());
  return { ...NOTHING, failures: [check.name] };
}

let outcome = NOTHING;
for (const check of [...CHECKS, ...(await nativeChecks())]) outcome = sum(outcome, await run(check));
await report(ROOT, "checks", outcome);
