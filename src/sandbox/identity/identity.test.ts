import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { hookDirectory, hookEnv } from "./hooks.ts";
import { runtimesOf } from "./runtimes.ts";

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** A layer with empty files, and links as `path -> target`. */
function layer(name: string, ...entries: string[]): string {
  for (const entry of entries) {
    const [path = "", target] = entry.split(" -> ");
    const file = join(directory, name, path);
    mkdirSync(dirname(file), { recursive: true });
    if (target === undefined) writeFileSync(file, "");
    else symlinkSync(target, file);
  }
  return join(directory, name);
}

describe("which runtimes an image has", () => {
  const JDK = ["/usr/lib/jvm/j/bin/java", "/usr/lib/jvm/j/lib/modules", "/usr/lib/jvm/j/lib/libinstrument.so"];
  const of = (lowers: string[], env: string[] = [], argv = ["sh"]) => runtimesOf({ lowers, env, argv });

  test("those in PATH, through links and layers", () => {
    const top = layer(
      "alternatives",
      "/usr/bin/java -> /etc/alternatives/java",
      "/usr/local/bin/python3 -> python3.12",
    );
    const middle = layer(
      "links",
      "/etc/alternatives/java -> ../../usr/lib/jvm/j/bin/java",
      "/usr/local/bin/python3.12",
    );
    const jdk = layer("jdk", ...JDK);
    expect(of([top, middle, jdk])).toEqual(["python", "java"]);
    expect(of([top, middle])).toEqual(["python"]);
    expect(of([top, jdk], ["PATH=/opt"])).toEqual([]);
    expect(of([jdk])).toEqual([]);
    expect(of([jdk], ["JAVA_HOME=/usr/lib/jvm/j"])).toEqual(["java"]);
  });

  test("one that the command names by its path", () => {
    const lowers = [layer("opt", "/opt/venv/bin/python3.11", "/opt/node/bin/node", "/opt/tools/python-config")];
    expect(of(lowers, [], ["/opt/venv/bin/python3.11", "-m", "app"])).toEqual(["python"]);
    expect(of(lowers, [], ["/usr/bin/env", "/opt/node/bin/node"])).toEqual(["node"]);
    expect(of(lowers, [], ["/opt/tools/python-config"])).toEqual([]);
  });

  test("no java that an agent would keep from starting", () => {
    const [program = "", modules = "", instrument = ""] = JDK;
    const home = ["JAVA_HOME=/usr/lib/jvm/j"];
    expect(of([layer("java8", program, instrument)], home)).toEqual([]);
    expect(of([layer("jlink", program, modules)], home)).toEqual([]);
  });
});

test("variables are set, or what is in them is kept", () => {
  expect(hookEnv(["A=1"], ["node"])).toEqual(["A=1", "NODE_OPTIONS=--require=/dev/thaw/hooks/node/node.cjs"]);
  const own = ["PYTHONPATH=/a:/b", "NODE_OPTIONS=--inspect", "JAVA_TOOL_OPTIONS=-Xmx1g", "Z="];
  expect(hookEnv(own, ["python", "node", "java"])).toEqual([
    "PYTHONPATH=/dev/thaw/hooks/python:/a:/b",
    "NODE_OPTIONS=--inspect --require=/dev/thaw/hooks/node/node.cjs",
    "JAVA_TOOL_OPTIONS=-Xmx1g -javaagent:/dev/thaw/hooks/java/generation.jar",
    "Z=",
  ]);
  expect(hookEnv(["PYTHONPATH="], ["python"])).toEqual(["PYTHONPATH=/dev/thaw/hooks/python"]);
});

test("the hooks' directory is made once, and everybody may read it", () => {
  const made = hookDirectory(directory);
  const { ino } = statSync(made);
  expect(hookDirectory(directory)).toBe(made);
  expect(statSync(made).ino).toBe(ino);
  const files = readdirSync(made, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  expect(files.map(({ name }) => name).sort()).toEqual([
    "generation.jar",
    "generation.node",
    "node.cjs",
    "sitecustomize.py",
  ]);
  for (const { parentPath, name } of files) expect(statSync(join(parentPath, name)).mode & 0o777).toBe(0o644);
});
