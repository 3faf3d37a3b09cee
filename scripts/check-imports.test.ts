import { expect, test } from "bun:test";
import { join } from "node:path";
import { checkImports, importsOf, violation } from "./check-imports.ts";

const FIXTURE = join(import.meta.dir, "../tests/fixtures/imports");

test("finds every wrong import of a tree, and no right one", async () => {
  const wrong = await checkImports(FIXTURE);
  expect(wrong.map((line) => line.split(": ")[0])).toEqual([
    "cli/bad-ps.ts imports ../daemon/main.ts",
    "cli/bad-ps.ts imports ../../outside.ts",
    "common/bad-reexport.ts imports ../content/good.ts",
    "common/bad-reexport.ts imports ../daemon/main.ts",
    "content/bad-type.ts imports ../daemon/main.ts",
  ]);
});

test("exits 1 for a tree with wrong imports and says what is allowed", () => {
  const run = Bun.spawnSync([process.execPath, join(import.meta.dir, "check-imports.ts"), FIXTURE]);
  expect(run.exitCode).toBe(1);
  expect(run.stderr.toString()).toContain("content may import only: common");
});

test("reads imports in all their spellings", () => {
  const source = `import a from "./a.ts"; import "./b.ts"; export * from './c.ts'; const d = await import( "./d.ts" );
    import {
      type E,
    } from "./e.ts";`;
  expect(importsOf(source)).toEqual(["./a.ts", "./b.ts", "./c.ts", "./d.ts", "./e.ts"]);
});

test("packages, builtins and the folder itself are always allowed", () => {
  for (const specifier of ["node:fs", "bun:sqlite", "zod", "./errors.ts"]) {
    expect(violation("common/exec.ts", specifier)).toBeUndefined();
  }
});

test("a folder that the architecture does not know is an error", () => {
  expect(violation("misc/a.ts", "./b.ts")).toContain("no folder of the architecture");
  expect(violation("common/a.ts", "../misc/b.ts")).toContain("no folder of the architecture");
});
