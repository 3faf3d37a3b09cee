/**
 * Compiles what the hooks of Node and OpenJDK have in C and Java, and writes it down as text: a machine that builds thaw
 * need not have a Java compiler, and the hooks become part of the program like the others. `make hooks` runs it after a
 * change of native/hooks; `--check` says whether somebody forgot.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Glob } from "bun";
import { execOk } from "../src/common/exec.ts";

const ROOT = join(import.meta.dir, "..");
const HOOKS = join(ROOT, "native/hooks");
const OUTPUT = join(ROOT, "src/sandbox/identity/generated/hooks.ts");
/** The oldest JDK that has modules, and with them the agent's way to the seeds. */
const JAVA_RELEASE = "9";
const LINE = 116;

const MANIFEST = `Premain-Class: thaw.Agent
Boot-Class-Path: generation.jar
Can-Retransform-Classes: true
`;

/** No C library, and nothing in the file that differs from build to build. */
const ADDON_FLAGS = `-std=gnu11 -Os -Wall -Wextra -Werror -fPIC -shared -nostdlib -fno-stack-protector
  -fno-asynchronous-unwind-tables -Wl,-z,noseparate-code,-z,noexecstack,--hash-style=gnu,--build-id=none -s`.split(
  /\s+/,
);

async function sources(): Promise<string[]> {
  return (await Array.fromAsync(new Glob("**/*.{c,java}").scan(HOOKS))).sort();
}

async function digest(): Promise<string> {
  const hash = createHash("sha256").update(readFileSync(import.meta.path));
  for (const name of await sources()) hash.update(`${name}\0`).update(readFileSync(join(HOOKS, name)));
  return hash.digest("hex");
}

async function addon(directory: string): Promise<Buffer> {
  const file = join(directory, "generation.node");
  await execOk(["gcc", ...ADDON_FLAGS, "-o", file, join(HOOKS, "node.c")]);
  return readFileSync(file);
}

async function agent(directory: string): Promise<Buffer> {
  const [classes, manifest, file] = ["classes", "manifest", "generation.jar"].map((name) => join(directory, name));
  if (!classes || !manifest || !file) throw new Error("unreachable");
  const java = (await sources()).filter((name) => name.endsWith(".java")).map((name) => join(HOOKS, name));
  await execOk(["javac", "--release", JAVA_RELEASE, "-Xlint:all", "-Werror", "-g:none", "-d", classes, ...java]);
  writeFileSync(manifest, MANIFEST);
  const date = "--date=2000-01-01T00:00:00Z";
  await execOk(["jar", "-c", "-f", file, "-m", manifest, date, "-C", classes, "thaw"]);
  return readFileSync(file);
}

function constant(doc: string, name: string, bytes: Buffer): string {
  const text = bytes.toString("base64");
  const lines = text.match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
  return `/** ${doc} */\nexport const ${name} = [\n${lines.map((line) => `  "${line}",\n`).join("")}].join("");\n`;
}

async function write(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "thaw-hooks-"));
  try {
    const parts = [
      `// Made by \`make hooks\` out of native/hooks. Sources: ${await digest()}\n`,
      constant("The addon of Node's hook, base64.", "NODE_ADDON", await addon(directory)),
      constant("OpenJDK's agent, base64.", "JAVA_AGENT", await agent(directory)),
    ];
    writeFileSync(OUTPUT, parts.join("\n"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv.includes("--check")) {
  if (!readFileSync(OUTPUT, "utf8").includes(await digest())) {
    console.error("src/sandbox/identity/generated/hooks.ts is older than native/hooks: run `make hooks`");
    process.exit(1);
  }
} else {
  await write();
}
