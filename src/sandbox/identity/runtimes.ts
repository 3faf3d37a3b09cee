/** Which runtimes an image has, so that nobody gets variables that mean nothing to its programs. */
import { basename, dirname, join } from "node:path";
import { findInLowers } from "../lowers.ts";
import type { Runtime } from "./hooks.ts";

const PROGRAMS: Readonly<Record<Runtime, RegExp>> = {
  python: /^python(3(\.\d+)?)?$/,
  node: /^node(js)?$/,
  java: /^java$/,
};
const NAMES: Readonly<Record<Runtime, readonly string[]>> = {
  python: ["python3", "python"],
  node: ["node", "nodejs"],
  java: ["java"],
};
const USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** What a JDK without modules, or a runtime image without the module of agents, lacks: it would not start with one. */
const AGENT_NEEDS = ["lib/modules", "lib/libinstrument.so"];

export interface Program {
  readonly lowers: readonly string[];
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
}

/** Those that are found where a shell, or JAVA_HOME, would find them, or that the command names by its path. */
export function runtimesOf(program: Program): Runtime[] {
  return (["python", "node", "java"] as const).filter((runtime) => hasRuntime(program, runtime));
}

function hasRuntime({ lowers, argv, env }: Program, runtime: Runtime): boolean {
  const variable = (name: string) => env.find((entry) => entry.startsWith(`${name}=`))?.slice(name.length + 1);
  const home = runtime === "java" ? variable("JAVA_HOME") : undefined;
  const directories = [...(home ? [join(home, "bin")] : []), ...(variable("PATH") ?? USUAL_PATH).split(":")];
  const named = argv.filter((word) => word.startsWith("/") && PROGRAMS[runtime].test(basename(word))).slice(0, 1);
  const candidates = [...named, ...directories.flatMap((path) => NAMES[runtime].map((name) => join(path, name)))];
  for (const path of candidates) {
    const found = path.startsWith("/") ? findInLowers(lowers, path) : undefined;
    if (found !== undefined) return runtime !== "java" || takesAgents(lowers, found);
  }
  return false;
}

function takesAgents(lowers: readonly string[], program: string): boolean {
  const home = dirname(dirname(program));
  return AGENT_NEEDS.every((file) => findInLowers(lowers, join(home, file)) !== undefined);
}
