import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { closingLine, succeeded } from "./report.ts";
import { NOTHING, runBunSuite, runNative, sum } from "./suites.ts";

const state = { dir: "" };
beforeAll(async () => {
  state.dir = await mkdtemp(join(tmpdir(), "thaw-test-suites-"));
});
afterAll(() => rm(state.dir, { recursive: true, force: true }));

/** Runs a test file with this text as a suite of its own. */
async function runText(name: string, text: string) {
  await Bun.write(join(state.dir, `${name}.test.ts`), text);
  return runBunSuite(state.dir, { name, paths: [`./${name}.test.ts`], timeout: 5000, output: "ignore" }, state.dir);
}

describe("a suite", () => {
  test("is counted by what each test did", async () => {
    const outcome = await runText(
      "mixed",
      `import { describe, expect, test } from "bun:test";
       describe("outer", () => { test("good", () => {}); test("also <good>", () => {}); });
       test("bad & <ugly>", () => { expect(1).toBe(2); });
       test.skip("skipped: no such machine", () => {});`,
    );
    expect(outcome).toEqual({
      passed: 2,
      failures: ["mixed.test.ts: bad & <ugly>"],
      skips: ["mixed.test.ts: skipped: no such machine"],
    });
  });

  test("that dies is a failure, even when no test failed", async () => {
    const outcome = await runText("dies", `import { test } from "bun:test"; test("x", () => process.exit(7));`);
    expect(outcome.passed).toBe(0);
    expect(outcome.failures).toHaveLength(1);
  });

  test("that does not even load is a failure", async () => {
    const outcome = await runText("unloadable", `import "./missing.ts";`);
    expect(outcome.failures).toHaveLength(1);
  });
});

describe("a native test", () => {
  test("passes with exit code 0 only", async () => {
    expect(await runNative("/bin/true")).toEqual({ ...NOTHING, passed: 1 });
    expect((await runNative("/bin/false")).failures).toEqual(["native: false (exit code 1)"]);
    expect((await runNative("/nonexistent/test-plan")).failures).toEqual(["native: test-plan (not built)"]);
  });

  test("that hangs is ended and fails", async () => {
    const program = join(state.dir, "hangs");
    await Bun.write(program, "#!/bin/sh\nexec sleep 60\n");
    await chmod(program, 0o755);
    expect((await runNative(program, 0.2)).failures).toEqual(["native: hangs (ended by SIGKILL)"]);
  });
});

describe("a run", () => {
  test("adds its suites up", () => {
    const total = sum({ passed: 2, failures: ["a"], skips: [] }, { passed: 3, failures: [], skips: ["b", "c"] });
    expect(closingLine(total)).toBe("5 passed, 1 failed, 2 skipped");
    expect(closingLine({ ...NOTHING, passed: 4 })).toBe("4 passed, 0 failed");
  });

  test("without a single test has not succeeded", () => {
    expect(succeeded(NOTHING)).toBe(false);
    expect(succeeded({ ...NOTHING, skips: ["all"] })).toBe(false);
    expect(succeeded({ ...NOTHING, passed: 1 })).toBe(true);
    expect(succeeded({ ...NOTHING, passed: 1, failures: ["x"] })).toBe(false);
  });
});
