/**
 * Running bun's and the native tests and counting what happened. Counts come from bun's JUnit files,
 * never from what is printed for people; a suite that dies without a file counts as one failure.
 */
import { basename, join } from "node:path";

/** What a run came to. `skips` names each skipped test; a test says why it skips in its own name. */
export interface Outcome {
  readonly passed: number;
  readonly failures: readonly string[];
  readonly skips: readonly string[];
}

export const NOTHING: Outcome = { passed: 0, failures: [], skips: [] };

/** Both outcomes as one. */
export function sum(a: Outcome, b: Outcome): Outcome {
  return {
    passed: a.passed + b.passed,
    failures: [...a.failures, ...b.failures],
    skips: [...a.skips, ...b.skips],
  };
}

/** Reads a JUnit file of bun's. `suite` stands before each test's name. */
export async function parseJunit(xml: string, suite: string): Promise<Outcome> {
  const state = { passed: 0, failures: [] as string[], skips: [] as string[] };
  const cases = xml.matchAll(/<testcase\b([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g);
  for (const [, attributes = "", , body = ""] of cases) {
    const name = `${attribute(attributes, "file") || suite}: ${attribute(attributes, "name")}`;
    if (/<(?:failure|error)\b/.test(body)) state.failures.push(name);
    else if (/<skipped\b/.test(body)) state.skips.push(name);
    else state.passed++;
  }
  return state;
}

function attribute(attributes: string, name: string): string {
  const value = attributes.match(new RegExp(`\\b${name}="([^"]*)"`))?.[1] ?? "";
  return value
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&apos;", "'")
    .replaceAll("&amp;", "&");
}

export interface BunSuite {
  /** Its name in the output. */
  readonly name: string;
  /** Files or folders, relative to the root. */
  readonly paths: readonly string[];
  /** Limit of one test, ms. */
  readonly timeout: number;
  /** Where its output goes; the terminal when left out. */
  readonly output?: "inherit" | "ignore";
}

/** Runs a suite. `scratch` is the folder that takes its JUnit file. */
export async function runBunSuite(root: string, suite: BunSuite, scratch: string): Promise<Outcome> {
  const junit = join(scratch, `${suite.name.replaceAll("/", "-")}.xml`);
  await Bun.file(junit)
    .delete()
    .catch(() => undefined);
  const reporter = ["--reporter=junit", `--reporter-outfile=${junit}`];
  const argv = [process.execPath, "test", ...reporter, `--timeout=${suite.timeout}`, ...suite.paths];
  const output = suite.output ?? "inherit";
  const child = Bun.spawn(argv, { cwd: root, stdin: "ignore", stdout: output, stderr: output });
  const exitCode = await child.exited;
  const file = Bun.file(junit);
  const outcome = (await file.exists()) ? await parseJunit(await file.text(), suite.name) : NOTHING;
  if (exitCode === 0 || outcome.failures.length > 0) return outcome;
  const end = child.signalCode ? `was ended by ${child.signalCode}` : `exited with ${exitCode}`;
  return sum(outcome, { ...NOTHING, failures: [`${suite.name}: bun test ${end} without a failed test`] });
}

/** Runs a native test: a program that exits non-zero when it fails. Over `seconds` it is ended and failed. */
export async function runNative(program: string, seconds = 120): Promise<Outcome> {
  const name = `native: ${basename(program)}`;
  if (!(await Bun.file(program).exists())) return { ...NOTHING, failures: [`${name} (not built)`] };
  const child = Bun.spawn([program], {
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
    timeout: seconds * 1000,
    killSignal: "SIGKILL",
  });
  const exitCode = await child.exited;
  if (exitCode === 0) return { ...NOTHING, passed: 1 };
  const end = child.signalCode ? `ended by ${child.signalCode}` : `exit code ${exitCode}`;
  return { ...NOTHING, failures: [`${name} (${end})`] };
}
