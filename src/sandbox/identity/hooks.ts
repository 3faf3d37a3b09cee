/**
 * What renews the random state of restored runtimes (docs/identity.md), as files: a directory on the host that is shown
 * read-only in containers, and the variables that make each runtime load its own.
 */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { JAVA_AGENT, NODE_ADDON } from "./generated/hooks.ts";
import node from "./node.cjs" with { type: "text" };
import python from "./sitecustomize.py" with { type: "text" };

/** A runtime that can be made to renew its random state without its program's help. */
export type Runtime = "python" | "node" | "java";

/** Where a container finds the directory. */
export const HOOKS = "/dev/thaw/hooks";

const FILES: Readonly<Record<string, string | Buffer>> = {
  "python/sitecustomize.py": python,
  "node/node.cjs": node,
  "node/generation.node": Buffer.from(NODE_ADDON, "base64"),
  "java/generation.jar": Buffer.from(JAVA_AGENT, "base64"),
};

interface Variable {
  readonly name: string;
  /** The value where the variable had none, or had `own`. */
  readonly value: (own: string) => string;
}

/** Python takes the first sitecustomize, options are read from the left. */
const VARIABLES: Readonly<Record<Runtime, Variable>> = {
  python: { name: "PYTHONPATH", value: (own) => joined(`${HOOKS}/python`, ":", own) },
  node: { name: "NODE_OPTIONS", value: (own) => joined(own, " ", `--require=${HOOKS}/node/node.cjs`) },
  java: { name: "JAVA_TOOL_OPTIONS", value: (own) => joined(own, " ", `-javaagent:${HOOKS}/java/generation.jar`) },
};

function joined(first: string, separator: string, second: string): string {
  return [first, second].filter((part) => part !== "").join(separator);
}

/** `env` (`NAME=value`) with what the runtimes need; what it says itself is kept. */
export function hookEnv(env: readonly string[], runtimes: readonly Runtime[]): string[] {
  const entries = [...env];
  for (const runtime of runtimes) {
    const { name, value } = VARIABLES[runtime];
    const at = entries.findLastIndex((entry) => entry.startsWith(`${name}=`));
    const own = entries[at]?.slice(name.length + 1) ?? "";
    entries.splice(at < 0 ? entries.length : at, 1, `${name}=${value(own)}`);
  }
  return entries;
}

/**
 * The directory of the hooks below `data`, made when missing. Its name is a digest of what is in it: a checkpoint goes on
 * finding the files that it was made with when thaw has others.
 */
export function hookDirectory(data: string): string {
  const hash = createHash("sha256");
  for (const [name, content] of Object.entries(FILES)) hash.update(`${name}\0`).update(content);
  const directory = join(data, "hooks", hash.digest("hex").slice(0, 32));
  if (existsSync(directory)) return directory;
  const half = `${directory}.${randomBytes(4).toString("hex")}`;
  for (const [name, content] of Object.entries(FILES)) {
    mkdirSync(dirname(join(half, name)), { recursive: true, mode: 0o755 });
    writeFileSync(join(half, name), content, { mode: 0o644 });
  }
  try {
    renameSync(half, directory);
  } catch (error) {
    rmSync(half, { recursive: true, force: true });
    // Somebody else may have been first.
    if (!existsSync(directory)) throw error;
  }
  return directory;
}
