/**
 * From a packed CRIU to one that is known to work on this kernel: feature cache, self-test, verdict.
 * A directory of the cache that holds one looks like this:
 *
 *     bin/criu  bin/plugins/   the program
 *     lib/                     its loader and libraries
 *     criu.kdat                the feature cache of this boot
 *     verified.json            the verdict
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../common/errors.ts";
import type { Paths } from "../../common/paths.ts";
import { makeKdat } from "./kdat.ts";
import { type CriuProgram, readProgram } from "./program.ts";
import { selfTest } from "./selftest.ts";
import { fingerprint, kernelIdentity, readStamp, type Stamp, writeStamp } from "./stamp.ts";

/** A CRIU that works here. */
export interface CriuInstallation extends CriuProgram {
  /** Whether it is a copy of the system's or was downloaded. */
  readonly source: "system" | "cache";
  /** The kernel feature cache for this boot, to be put at /run/criu.kdat of a sandbox (mode 0600). */
  readonly kdat: string;
}

/** What a test said: a working CRIU, or why it does not work. */
export type Verdict = { readonly installation: CriuInstallation } | { readonly refused: string };

/** Name of the directory that holds the copy of the system's CRIU. */
export const SYSTEM_NAME = "system";

/** Where all packed CRIUs are. */
export const criuCache = (paths: Paths): string => join(paths.cache, "criu");

/**
 * The verdict on the packed CRIU in `directory`: out of the stamp when it still holds, otherwise by
 * testing, which needs root and about a second.
 * @throws ThawError DEPENDENCY_MISSING when `directory` holds no CRIU that can be started.
 */
export async function verdictOn(directory: string, origin?: string): Promise<Verdict> {
  const here = { ...(await kernelIdentity()), fingerprint: await fingerprint(directory).catch(() => "") };
  const stamp = await readStamp(directory);
  if (stamp?.fingerprint !== here.fingerprint || stamp.kernel !== here.kernel) return test(directory, here, origin);
  if (stamp.refused !== undefined) return { refused: stamp.refused };
  const fresh = stamp.bootId === here.bootId && (await stat(kdatFile(directory)).catch(() => undefined))?.isFile();
  if (!fresh) return test(directory, here, origin);
  return { installation: describe(directory, stamp) };
}

async function test(directory: string, here: Pick<Stamp, "fingerprint" | "kernel" | "bootId">, origin?: string) {
  const program = await readProgram(directory);
  const kdat = kdatFile(directory);
  const refused = (await makeKdat(program, kdat)) ?? (await selfTest(program, kdat, directory));
  const stamp: Stamp = { ...here, version: program.version, loaderName: program.loaderName };
  if (origin !== undefined) stamp.origin = origin;
  if (refused !== undefined) stamp.refused = refused;
  await writeStamp(directory, stamp);
  return refused === undefined ? { installation: describe(directory, stamp) } : { refused };
}

function describe(directory: string, stamp: Stamp): CriuInstallation {
  return {
    version: stamp.version,
    source: stamp.origin === undefined ? "cache" : "system",
    binaryDir: join(directory, "bin"),
    binaryName: "criu",
    libraryDir: join(directory, "lib"),
    loaderName: stamp.loaderName,
    kdat: kdatFile(directory),
  };
}

const kdatFile = (directory: string) => join(directory, "criu.kdat");

/** Half-made directories are named so, with the id of the process that makes them. */
const WORK_PREFIX = ".making-";

/** Gives `use` a fresh directory in the cache, which is removed when `use` is done. */
export async function withWorkDirectory<T>(cache: string, use: (work: string) => Promise<T>): Promise<T> {
  await mkdir(cache, { recursive: true, mode: 0o700 });
  await removeAbandoned(cache);
  const work = await mkdtemp(join(cache, `${WORK_PREFIX}${process.pid}-`));
  try {
    return await use(work);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Makes the finished directory `made` appear as `target` in one step, in place of an older one. */
export async function publish(made: string, target: string): Promise<void> {
  try {
    await rename(made, target);
  } catch (error) {
    if (errnoOf(error) !== "ENOTEMPTY" && errnoOf(error) !== "EEXIST") throw error;
    await rename(target, `${made}-old`);
    await rename(made, target);
    await rm(`${made}-old`, { recursive: true, force: true });
  }
}

/** Removes what a process that is gone was making. */
async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const pid = name.startsWith(WORK_PREFIX) ? Number.parseInt(name.slice(WORK_PREFIX.length), 10) : undefined;
    if (pid === undefined || (await stat(`/proc/${pid}`).catch(() => undefined))) continue;
    await rm(join(cache, name), { recursive: true, force: true });
  }
}
