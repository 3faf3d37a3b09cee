/**
 * How a run of tests or checks ends: what failed and what was skipped by name, then one line alone with
 * the counts, which also go to a file so that a caller can add several runs up.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Outcome } from "./suites.ts";

/** The closing line. */
export function closingLine(outcome: Outcome): string {
  const skipped = outcome.skips.length > 0 ? `, ${outcome.skips.length} skipped` : "";
  return `${outcome.passed} passed, ${outcome.failures.length} failed${skipped}`;
}

/** True when something ran and nothing failed. */
export function succeeded(outcome: Outcome): boolean {
  return outcome.failures.length === 0 && outcome.passed > 0;
}

/** Prints the end of the run called `name`, writes ROOT/build/NAME.counts and sets the exit code. */
export async function report(root: string, name: string, outcome: Outcome): Promise<void> {
  for (const skip of outcome.skips) console.log(`skipped: ${skip}`);
  for (const failure of outcome.failures) console.log(`FAILED: ${failure}`);
  if (outcome.passed + outcome.failures.length === 0) console.log(`FAILED: ${name} ran nothing`);
  await mkdir(join(root, "build"), { recursive: true });
  const counts = [outcome.passed, outcome.failures.length, outcome.skips.length];
  await Bun.write(join(root, "build", `${name}.counts`), `${counts.join(" ")}\n`);
  console.log(closingLine(outcome));
  process.exitCode = succeeded(outcome) ? 0 : 1;
}
