import { expect, test } from "bun:test";
import { offences } from "./check-files.ts";

function whats(file: string, text: string): string[] {
  return offences(file, text).map((line) => line.split(": ")[1] ?? "");
}

test("finds each forbidden thing with its line", () => {
  expect(offences("src/a.ts", "const a = 1;\n// TODO: more")).toEqual(["src/a.ts:2: unfinished work: // TODO: more"]);
  expect(whats("src/a.ts", "f(x as any);")).toEqual(["a cast to any"]);
  expect(whats("native/a.c", 'open("/home/somebody/x");')).toEqual(["a path of somebody's machine"]);
  expect(whats("scripts/a.sh", "curl http://deb.example.org/debian")).toEqual(["a package registry's host"]);
  expect(whats("src/a.ts", "// @ts-ignore")).toEqual(["a silenced compiler"]);
  expect(whats("README.md", "<<<<<<< HEAD")).toEqual(["a merge conflict"]);
});

test("module variables are forbidden in src, not in tests and not inside functions", () => {
  expect(whats("src/a.ts", "export let count = 0;")).toEqual(["state in a module variable"]);
  expect(whats("src/a.ts", "  let count = 0;")).toEqual([]);
  expect(whats("src/a.test.ts", "let count = 0;")).toEqual([]);
});

test("lets harmless look-alikes pass", () => {
  expect(offences("src/a.ts", "const dir = `${root}/work/upper`; // has any, method")).toEqual([]);
});
