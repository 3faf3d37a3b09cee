/**
 * The tests of containers and their limits on a machine with cgroup v2 alone: a qemu guest (scripts/v2-machine.sh).
 * Its kernel and qemu are fetched by `make test-v2` only; where they are missing this is skipped.
 */
import { expect, test } from "bun:test";
import { detectCgroups } from "../src/sandbox/index.ts";

const SCRIPT = new URL("../scripts/v2-machine.sh", import.meta.url).pathname;
/** What it is about, and what of it takes seconds and not minutes where qemu has to translate. */
const FILES = ["tests/limits.test.ts", "tests/namespaces.test.ts"];

const missing = reason();

function reason(): string {
  if (process.env.V2_MACHINE !== undefined) return "runs in it";
  if (process.getuid?.() !== 0) return "needs root";
  if (detectCgroups().version === 2) return "not needed: this machine has cgroup v2";
  const { stdout } = Bun.spawnSync([SCRIPT, "missing"]);
  const text = stdout.toString().trim();
  return text === "" ? "" : `${text}, or: make test-v2`;
}

test.skipIf(missing !== "")(
  `limits, freezing and statistics with cgroup v2 alone${missing === "" ? "" : ` (${missing})`}`,
  async () => {
    const argv = ["run", process.execPath, "test", "--timeout", "60000", ...FILES];
    const child = Bun.spawn([SCRIPT, ...argv], { stdout: "pipe", stderr: "pipe" });
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    const failures = stdout.split("\n").filter((line) => /^\(fail\)|error:/.test(line));
    expect({ failures, exitCode: await child.exited, stderr: stderr.trim() === "" ? "" : stdout + stderr }).toEqual({
      failures: [],
      exitCode: 0,
      stderr: "",
    });
    expect(stdout).toMatch(/ [1-9]\d* pass/);
  },
  // A busy machine that has to translate takes its time; alone it takes 20 s.
  240_000,
);
