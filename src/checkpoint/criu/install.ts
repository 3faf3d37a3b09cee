/**
 * Gets a CRIU that works on this kernel: the system's when it passes the self-test, one that was
 * fetched before, otherwise the first that passes out of Debian's suites, oldest first, fetched into
 * thaw's own cache. Older suites come first because their packages are better proven; a version that
 * was refused is not fetched again from the next suite.
 */
import { join } from "node:path";
import { asThawError, ThawError } from "../../common/errors.ts";
import type { Paths } from "../../common/paths.ts";
import { openSuite } from "./download.ts";
import { locateCriu, trySystemCriu, tryVerdict } from "./locate.ts";
import { packProgram } from "./program.ts";
import { type DebianMirror, debianMirrors } from "./sources.ts";
import { readStamp } from "./stamp.ts";
import { type CriuInstallation, criuCache, publish, type Verdict, verdictOn, withWorkDirectory } from "./verify.ts";

const SUITES = ["trixie", "forky", "sid"];

/** Receives a line of progress for the user. */
type Progress = (line: string) => void;

/**
 * Makes sure that there is a working CRIU; does nothing when there is. Needs root, and the network the first
 * time; takes up to a minute then. System packages are never changed.
 * @throws ThawError DEPENDENCY_MISSING naming each candidate and why it was refused; NO_SPACE.
 */
export async function installCriu(paths: Paths, progress: Progress): Promise<CriuInstallation> {
  const located = await locateCriu(paths);
  if (located !== undefined) return located;
  const refusals: string[] = [];
  const refuse = (line: string) => {
    refusals.push(line);
    progress(line);
  };
  const system = await trySystemCriu(paths);
  if (system !== undefined && "refused" in system) refuse(`the system's criu does not work here: ${system.refused}`);
  const installed = await installFromDebian(paths, progress, refuse);
  if (installed !== undefined) return installed;
  throw new ThawError("DEPENDENCY_MISSING", `no CRIU that works on this kernel was found. ${refusals.join(". ")}`, {
    hint: "Install CRIU 4.2 or newer so that `criu` is in /usr/local/sbin, then run `thaw setup` again.",
  });
}

async function installFromDebian(paths: Paths, progress: Progress, refuse: Progress) {
  const mirrors = await debianMirrors().catch((error: unknown) => {
    refuse(`cannot read the machine's apt configuration: ${asThawError(error).message}`);
    return [];
  });
  if (mirrors.length === 0) refuse("the machine's apt configuration names no Debian mirror to fetch one from");
  const tested = new Set<string>();
  for (const suite of SUITES) {
    for (const mirror of mirrors) {
      progress(`looking for CRIU in Debian ${suite} (${mirror.uri})`);
      const verdict = await tryVerdict(() => testSuite(paths, mirror, suite, tested, progress));
      if ("installation" in verdict) return verdict.installation;
      refuse(`Debian ${suite}: ${verdict.refused}`);
    }
  }
  return undefined;
}

/** Fetches and tests the CRIU of one suite, unless its upstream version is among the `tested`; adds it there. */
async function testSuite(paths: Paths, mirror: DebianMirror, suite: string, tested: Set<string>, progress: Progress) {
  const cache = criuCache(paths);
  return await withWorkDirectory(cache, async (work): Promise<Verdict> => {
    const index = await openSuite(mirror, suite, work);
    const upstream = index.criuVersion.replace(/-[^-]*$/, "");
    if (tested.has(upstream)) return { refused: `CRIU ${upstream} was refused already` };
    const target = join(cache, `${suite}-${index.criuVersion.replace(/[^A-Za-z0-9.+~-]/g, "_")}`);
    if ((await readStamp(target)) === undefined) {
      progress(`downloading CRIU ${index.criuVersion} and its libraries from Debian ${suite}`);
      await packProgram(join(await index.unpack(), "usr/sbin/criu"), join(work, "root"), join(work, "packed"));
      await publish(join(work, "packed"), target);
    }
    progress(`testing CRIU ${index.criuVersion}: dump and restore of a process`);
    const verdict = await verdictOn(target);
    tested.add(upstream);
    return "refused" in verdict
      ? { refused: `CRIU ${index.criuVersion} does not work here: ${verdict.refused}` }
      : verdict;
  });
}
