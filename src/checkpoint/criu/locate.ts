/**
 * Finds a CRIU that works here without the network: the system's own first, of which a copy is kept
 * so that it starts like a downloaded one, then those that `installCriu` fetched, newest first. A
 * verdict is remembered, so this is quick but for the first time on a kernel.
 */
import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { asThawError } from "../../common/errors.ts";
import type { Paths } from "../../common/paths.ts";
import { packProgram } from "./program.ts";
import { fileIdentity, readStamp } from "./stamp.ts";
import {
  type CriuInstallation,
  criuCache,
  publish,
  SYSTEM_NAME,
  type Verdict,
  verdictOn,
  withWorkDirectory,
} from "./verify.ts";

export type { CriuInstallation } from "./verify.ts";

/** Where a distribution's package puts CRIU; /usr/sbin is often missing in the PATH of a user. */
const SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * A CRIU that passes the self-test on this kernel, or undefined. Without the network; needs root.
 * About 5 ms once verified, a second for each candidate otherwise.
 */
export async function locateCriu(paths: Paths): Promise<CriuInstallation | undefined> {
  const system = await trySystemCriu(paths);
  if (system !== undefined && "installation" in system) return system.installation;
  for (const name of await cachedNames(criuCache(paths))) {
    const verdict = await tryVerdict(() => verdictOn(join(criuCache(paths), name)));
    if ("installation" in verdict) return verdict.installation;
  }
  return undefined;
}

/**
 * The verdict on the system's own CRIU; undefined when there is none.
 * @param binary  the program to look at instead of the one in the usual directories.
 */
export async function trySystemCriu(
  paths: Paths,
  binary = Bun.which("criu", { PATH: SYSTEM_PATH }),
): Promise<Verdict | undefined> {
  if (binary === null) return undefined;
  return tryVerdict(async () => {
    const cache = criuCache(paths);
    const copy = join(cache, SYSTEM_NAME);
    const program = await realpath(binary);
    const origin = `${program} ${await fileIdentity(program)}`;
    if ((await readStamp(copy))?.origin === origin) return verdictOn(copy, origin);
    await withWorkDirectory(cache, async (work) => {
      await packProgram(program, "/", join(work, "packed"));
      await publish(join(work, "packed"), copy);
    });
    return verdictOn(copy, origin);
  });
}

/** A candidate that cannot even be started is refused like one that fails the test; a full disk is not its fault. */
export async function tryVerdict(verdict: () => Promise<Verdict>): Promise<Verdict> {
  try {
    return await verdict();
  } catch (error) {
    const failure = asThawError(error);
    if (failure.code !== "DEPENDENCY_MISSING") throw failure;
    return { refused: failure.message };
  }
}

/** Directories of downloaded CRIUs; the highest version first. */
async function cachedNames(cache: string): Promise<string[]> {
  const names = (await readdir(cache).catch(() => [])).filter((name) => !name.startsWith(".") && name !== SYSTEM_NAME);
  const version = (name: string) => name.slice(name.indexOf("-") + 1);
  return names.sort((a, b) => version(b).localeCompare(version(a), "en", { numeric: true }));
}
