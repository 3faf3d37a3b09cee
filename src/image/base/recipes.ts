/**
 * The base images that thaw makes itself, out of the Debian packages of the machine's own mirrors. A recipe is all
 * that decides what is in the image; its digest names the archive in the cache.
 */

import { readFile } from "node:fs/promises";
import { ThawError } from "../../common/errors.ts";
import { execOk } from "../../common/exec.ts";
import { entryOf } from "../../common/table.ts";
import { type Digest, digestOf } from "../../content/index.ts";
import { parseReference } from "../reference.ts";

export interface Recipe {
  /** The image's normal name. */
  readonly reference: string;
  /** Debian's code name for the release. */
  readonly suite: string;
  readonly packages: readonly string[];
  readonly command: readonly string[];
}

const BUILTIN: Readonly<Record<string, { packages: readonly string[]; command: readonly string[] }>> = {
  "thaw/debian:latest": { packages: [], command: ["bash"] },
  "thaw/python:latest": { packages: ["python3", "python3-flask", "python3-pip"], command: ["python3"] },
};

/** Raised when an equal recipe would make another image. */
const RECIPE_VERSION = 1;

/** Whether thaw can make the image of that name by itself. */
export function isBuiltinBase(name: string): boolean {
  return Object.hasOwn(BUILTIN, parseReference(name).text);
}

/** What identifies the image: its content, as far as the recipe decides it, but not the mirror it came from. */
export function recipeDigest(recipe: Recipe): Digest {
  return digestOf(JSON.stringify([RECIPE_VERSION, process.arch, recipe.suite, recipe.packages, recipe.command]));
}

/** The recipe of a base image. @throws ThawError IMAGE_NOT_FOUND for an unknown name, UNSUPPORTED_MACHINE when this is no Debian. */
export async function recipeFor(name: string): Promise<Recipe> {
  const reference = parseReference(name).text;
  const builtin = entryOf(BUILTIN, reference);
  if (builtin === undefined) throw new ThawError("IMAGE_NOT_FOUND", `${name} is not one of thaw's base images`);
  return { reference, suite: await hostSuite(), ...builtin };
}

async function hostSuite(): Promise<string> {
  const release = await readFile("/etc/os-release", "utf8").catch(() => "");
  const field = (name: string) => new RegExp(`^${name}="?([a-z0-9.-]+)"?$`, "m").exec(release)?.[1];
  const suite = field("VERSION_CODENAME");
  if (field("ID") === "debian" && suite !== undefined) return suite;
  throw new ThawError(
    "UNSUPPORTED_MACHINE",
    "base images are made of this machine's Debian packages; this is no Debian",
    {
      hint: "Write a Dockerfile that begins with FROM scratch, or import a root file system.",
    },
  );
}

/**
 * The machine's own Debian mirrors for `suite`, its updates and its security fixes, as apt source lines.
 * @throws ThawError DEPENDENCY_MISSING when apt has none.
 */
export async function debianSources(suite: string): Promise<string[]> {
  const format = "$(CREATED_BY)|$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)";
  const targets = await execOk(["apt-get", "indextargets", "--format", format]);
  const lines = targets.split("\n").flatMap((line) => {
    const [kind, origin, uri, release = "", component] = line.split("|");
    const ours = [suite, `${suite}-updates`, `${suite}-security`].includes(release);
    return kind === "Packages" && origin === "Debian" && ours && component === "main"
      ? [`deb ${uri} ${release} main`]
      : [];
  });
  if (lines.length > 0) return [...new Set(lines)];
  throw new ThawError("DEPENDENCY_MISSING", `apt knows no Debian mirror for ${suite}`, {
    hint: "Run apt-get update, and check /etc/apt/sources.list.d.",
  });
}
