/**
 * What instances of one checkpoint do not share: their generation and, by the hooks, the random numbers of Python, Node
 * and Java. Without the hooks the same programs repeat each other, which shows that these tests can fail.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execOk } from "../src/common/exec.ts";
import { CommandLine } from "./support/cli.ts";
import { findCriu } from "./support/machine.ts";
import * as programs from "./support/random-programs.ts";

const criu = await findCriu();
const needs = typeof criu === "string" ? ` (needs a working CRIU: ${criu})` : "";
const PORT = 8000;
const INSTANCES = ["one", "two", "three"];

/** Values by their names; each request gives new ones. */
type Numbers = Readonly<Record<string, string>>;

interface Case {
  readonly name: string;
  readonly argv: readonly string[] | undefined;
  /** The engine that restores it. */
  readonly engine: string;
  /** Those that differ by themselves, because the kernel gives them. */
  readonly safe: readonly string[];
}

const CASES: readonly Case[] = [
  { name: "Python", engine: "thaw", argv: commandOf("/usr/bin/python3", "/server.py"), safe: ["uuid"] },
  { name: "Node", engine: "thaw", argv: commandOf("/usr/bin/node", "/server.cjs"), safe: [] },
  {
    name: "Java",
    // Its files are the host's, which the other engine does not take.
    engine: "criu",
    argv: commandOf(programs.javaProgram(), "-XX:+UseSerialGC", "-Xmx64m", "-cp", "/classes", "Server"),
    safe: ["uuid", "secure"],
  },
];

function commandOf(program: string | undefined, ...rest: string[]): string[] | undefined {
  return program !== undefined && existsSync(program) ? [program, ...rest] : undefined;
}

describe.skipIf(typeof criu === "string")(`instances of one checkpoint${needs}`, () => {
  let cli: CommandLine;
  let root: string;

  beforeAll(async () => {
    cli = new CommandLine();
    root = join(cli.directory, "own-root");
    for (const name of ["dev", "proc", "sys", "etc", "tmp", "run", "usr/lib", "usr/lib64", "usr/bin", "classes"]) {
      mkdirSync(join(root, name), { recursive: true });
    }
    for (const name of ["lib", "lib64", "bin"]) symlinkSync(`usr/${name}`, join(root, name));
    await programs.copyRuntimes(root);
    writeFileSync(join(root, "server.py"), programs.PYTHON);
    writeFileSync(join(root, "server.cjs"), programs.NODE);
    writeFileSync(join(root, "Server.java"), programs.JAVA);
    const javac = programs.javaProgram()?.replace(/java$/, "javac");
    if (javac !== undefined) await execOk([javac, "-d", join(root, "classes"), join(root, "Server.java")]);
  });

  afterAll(async () => {
    await cli[Symbol.asyncDispose]();
    expect(cli.leftovers()).toEqual([]);
  });

  async function ok(...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await cli.thaw(...argv);
    if (exitCode !== 0) throw new Error(`thaw ${argv.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  async function ask(container: string): Promise<Numbers> {
    const { NetworkSettings } = JSON.parse(await ok("inspect", container))[0];
    const address = NetworkSettings.IPAddress || NetworkSettings.Networks.bridge.IPAddress;
    for (;;) {
      const response = await fetch(`http://${address}:${PORT}/`, { headers: { connection: "close" } }).catch(() => {});
      if (response) return JSON.parse(await response.text());
      await Bun.sleep(20);
    }
  }

  /** What the first answers of three instances at once, and of one after them, are. */
  async function answers({ argv = [], engine }: Case, option: string): Promise<Numbers[]> {
    const java = ["/usr", "/etc/java-17-openjdk", "/etc/java-21-openjdk"].filter(existsSync);
    const shown = engine === "thaw" ? [] : java.flatMap((path) => ["-v", `${path}:${path}:ro`]);
    await ok("run", "-d", "--name", "first", option, "--rootfs", root, ...shown, "--", ...argv);
    await ask("first");
    await ok("checkpoint", "create", "first", "point");
    await ok("rm", "-f", "first");
    expect(JSON.parse(await ok("checkpoint", "inspect", "point"))[0]).toMatchObject({ engine, incompatibilities: [] });
    await Promise.all(INSTANCES.map((name) => ok("restore", "point", "--name", name)));
    const found = await Promise.all(INSTANCES.map(ask));
    await ok("rm", "-f", ...INSTANCES);
    await ok("restore", "point", "--name", "next");
    found.push(await ask("next"));
    await ok("rm", "-f", "next");
    await ok("checkpoint", "rm", "point");
    return found;
  }

  /** How many different values each name has. */
  function counts(found: readonly Numbers[]): Record<string, number> {
    const names = Object.keys(found[0] ?? {});
    return Object.fromEntries(names.map((name) => [name, new Set(found.map((numbers) => numbers[name])).size]));
  }

  for (const kind of CASES) {
    const { name, argv, safe } = kind;
    const title = argv === undefined ? `${name} (needs it in /usr)` : name;
    test.skipIf(argv === undefined)(`${title}: random numbers differ, and without the hook they do not`, async () => {
      const renewed = counts(await answers(kind, "--reseed"));
      const all = INSTANCES.length + 1;
      // Who chose the seed gets the sequence of that seed.
      expect(renewed).toEqual({ ...Object.fromEntries(Object.keys(renewed).map((key) => [key, all])), given: 1 });
      const cloned = counts(await answers(kind, "--no-reseed"));
      const own = Object.fromEntries([...safe, "generation"].map((key) => [key, all]));
      expect(cloned).toEqual({ ...Object.fromEntries(Object.keys(cloned).map((key) => [key, 1])), ...own });
    });
  }

  test("a container's variables are kept, and it gets none where they are of no use", async () => {
    const env = (...options: string[]) => ok("run", ...options, "--rootfs", cli.root, "--", "/bin/env");
    const forced = await env("--rm", "--reseed", "-e", "PYTHONPATH=/own", "-e", "NODE_OPTIONS=--own");
    expect(forced).toContain("PYTHONPATH=/dev/thaw/hooks/python:/own");
    expect(forced).toContain("NODE_OPTIONS=--own --require=/dev/thaw/hooks/node/node.cjs");
    expect(forced).toContain("JAVA_TOOL_OPTIONS=-javaagent:/dev/thaw/hooks/java/generation.jar");
    expect(await env("--name", "plain")).not.toContain("/dev/thaw");
    await ok("rm", "plain");
  });

  test("the generation is another in every sandbox, and nobody may write the hooks", async () => {
    const shell = (script: string) =>
      ok("run", "--rm", "--reseed", "--rootfs", cli.root, "--", "/bin/sh", "-c", script);
    const [one, two] = [await shell("cat /dev/thaw/generation"), await shell("cat /dev/thaw/generation")];
    expect(one).toMatch(/^[0-9a-f]{32}$/);
    expect(two).toMatch(/^[0-9a-f]{32}$/);
    expect(one).not.toBe(two);
    const file = "/dev/thaw/hooks/python/sitecustomize.py";
    expect(await shell(`cat ${file} | head -n 1; (echo x > ${file}) 2>&1; ls /dev/thaw`)).toMatch(
      /Read-only.*\n.*generation\nhooks/s,
    );
  });
});
