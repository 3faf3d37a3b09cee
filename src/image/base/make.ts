/**
 * Making a base image's archive with mmdebstrap, once a machine: it is kept compressed in the cache, so another
 * data directory, or the next day without a network, only unpacks it.
 */
import { randomUUID } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createZstdCompress } from "node:zlib";
import { ThawError } from "../../common/errors.ts";
import { exec } from "../../common/exec.ts";
import type { Paths } from "../../common/paths.ts";
import { digestHex } from "../../content/index.ts";
import { debianSources, type Recipe, recipeDigest } from "./recipes.ts";

export interface ProgressOptions {
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

const UNWANTED = ["doc", "man", "locale", "info", "lintian", "linda"].map((name) => `/usr/share/${name}`);

/**
 * mmdebstrap's options. Unwanted files are excluded only after the first extraction and removed at the end: given
 * as dpkg options they make mmdebstrap filter every package through a script of its own, which takes longer than
 * the rest of the extraction.
 */
function mmdebstrapArgv(recipe: Recipe, sources: readonly string[], output: string): string[] {
  const excludes = UNWANTED.map((path) => `path-exclude=${path}/*\\n`).join("");
  const remove = UNWANTED.map((path) => `"$1"${path}/*`).join(" ");
  return [
    "mmdebstrap",
    "--mode=root",
    "--variant=minbase",
    "--format=tar",
    ...(recipe.packages.length > 0 ? [`--include=${recipe.packages.join(",")}`] : []),
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",
    `--extract-hook=printf '${excludes}' > "$1/etc/dpkg/dpkg.cfg.d/no-docs"`,
    `--customize-hook=rm -rf ${remove} "$1"/var/log/*.log "$1"/var/log/apt/* "$1"/var/cache/debconf/*-old`,
    recipe.suite,
    output,
    ...sources,
  ];
}

/**
 * The compressed archive of a recipe, made if it is not in the cache.
 * @throws ThawError DEPENDENCY_MISSING, NO_SPACE, BUILD_FAILED with mmdebstrap's last words, CANCELLED
 */
export async function baseArchive(
  recipe: Recipe,
  paths: Pick<Paths, "cache">,
  options: ProgressOptions,
): Promise<string> {
  const directory = join(paths.cache, "bases");
  const archive = join(directory, `${digestHex(recipeDigest(recipe))}.tar.zst`);
  if (await stat(archive).catch(() => undefined)) return archive;
  await mkdir(directory, { recursive: true });
  await removeLeftovers(directory);
  const temporary = join(directory, `making-${process.pid}-${randomUUID()}.tar`);
  try {
    await mmdebstrap(recipe, temporary, options);
    await pipeline(createReadStream(temporary), createZstdCompress(), createWriteStream(`${temporary}.zst`));
    await rename(`${temporary}.zst`, archive);
    return archive;
  } finally {
    await rm(temporary, { force: true });
    await rm(`${temporary}.zst`, { force: true });
  }
}

async function mmdebstrap(recipe: Recipe, output: string, { onProgress, signal }: ProgressOptions): Promise<void> {
  onProgress?.(`Making ${recipe.reference} of Debian ${recipe.suite} packages (once; about half a minute)`);
  const result = await exec(mmdebstrapArgv(recipe, await debianSources(recipe.suite), output), {
    ...(signal ? { signal } : {}),
    onStderrLine: (line) => {
      const [, said] = /^I: (.*)/.exec(line) ?? [];
      if (said !== undefined && !said.startsWith("running --")) onProgress?.(`mmdebstrap: ${said}`);
    },
  }).catch(withoutMmdebstrap);
  signal?.throwIfAborted();
  if (result.exitCode === 0) return;
  const said = result.stderr.trim().split("\n").slice(-8).join("\n");
  if (/No space left on device/.test(result.stderr)) {
    throw new ThawError("NO_SPACE", `no space left to make ${recipe.reference}`, {
      hint: "mmdebstrap needs about 500 MB under $TMPDIR (/tmp) and 200 MB in thaw's cache directory.",
    });
  }
  throw new ThawError("BUILD_FAILED", `mmdebstrap could not make ${recipe.reference}: ${said}`, {
    hint: "Check that this machine's Debian mirrors are in reach (apt-get update).",
  });
}

function withoutMmdebstrap(error: unknown): never {
  if (!(error instanceof ThawError) || error.code !== "DEPENDENCY_MISSING") throw error;
  throw new ThawError("DEPENDENCY_MISSING", "mmdebstrap is needed to make thaw's base images and is not installed", {
    hint: "Install it: apt-get install mmdebstrap (thaw setup does so).",
    cause: error,
  });
}

/** Removes what makers that were killed left behind; a maker that still runs keeps its files. */
async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid] = /^making-(\d+)-/.exec(name) ?? [];
    if (pid === undefined || (await stat(`/proc/${pid}`).catch(() => undefined))) continue;
    await rm(join(directory, name), { force: true });
  }
}
