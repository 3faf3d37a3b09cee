/**
 * A root file system copied out into a directory. The layers are merged by the kernel: an overlay is mounted read
 * only in a mount namespace that lives as long as the copy, and GNU cp copies owners, modes, links and attributes.
 */
import { mkdir, readdir, rm, stat } from "node:fs/promises";
import { dirname, isAbsolute, join } from "node:path";
import { asThawError, errnoOf, ThawError } from "../common/errors.ts";
import { exec } from "../common/exec.ts";
import { removeTree } from "../image/index.ts";

/**
 * Host programs that merge and copy; every path comes as an argument, none is part of the text. The overlay covers
 * /tmp, in this namespace only; the target, which may lie there, is held as the working directory.
 */
const MERGE_AND_COPY = `set -e
cd "$2"
mount -t overlay overlay -o "ro,$1" /tmp
exec cp -a -- "/tmp/$3." .`;

/**
 * Copies the union of `lowers` (top first), or a directory of it, into `dir`, which must be empty or not exist.
 * @param directory  path in that union, without a slash at either end and without symbolic links; "": all of it.
 * @throws ThawError INVALID (dir has something in it, or is no directory), PATH_NOT_FOUND (a lower, or dir's parent),
 * NO_SPACE; what was copied is then removed again.
 */
export async function exportRootfs(
  lowers: readonly string[],
  dir: string,
  signal?: AbortSignal,
  directory = "",
): Promise<void> {
  if (!isAbsolute(dir)) throw new ThawError("INVALID", `${dir}: an absolute path was expected`);
  for (const lower of lowers) await requireDirectory(lower, "the root file system");
  const made = await claim(dir);
  try {
    await copy(lowers, directory === "" ? "" : `${directory}/`, dir, signal);
  } catch (error) {
    await clear(dir, made);
    throw asThawError(error);
  }
}

async function copy(
  lowers: readonly string[],
  from: string,
  dir: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [only, ...others] = lowers;
  if (only === undefined) return;
  const argv = others.length === 0 ? ["cp", "-a", "--", `${only}/${from}.`, dir] : mergeArgv(lowers, from, dir);
  const options = { ...(signal ? { signal } : {}), env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" } };
  const { exitCode, stderr } = await exec(argv, options);
  signal?.throwIfAborted();
  if (exitCode === 0) return;
  if (/No space left on device|Disk quota exceeded/.test(stderr)) {
    throw new ThawError("NO_SPACE", `no space left in ${dir}`, { hint: "Give a directory on a larger disk." });
  }
  throw new ThawError(
    "INTERNAL",
    `cannot copy the root file system: ${stderr.trim().split("\n").slice(-3).join("; ")}`,
  );
}

function mergeArgv(lowers: readonly string[], from: string, dir: string): string[] {
  const options = `lowerdir=${lowers.map(escapeLower).join(":")}`;
  if (Buffer.byteLength(options) > 4000) {
    throw new ThawError("UNSUPPORTED", `an image of ${lowers.length} layers cannot be mounted here`, {
      hint: "Use a data directory with a shorter path, or join RUN steps.",
    });
  }
  return ["unshare", "-m", "--propagation", "private", "sh", "-c", MERGE_AND_COPY, "sh", options, dir, from];
}

/** overlayfs takes `\` before `:` and `,`; what mount(8) itself would take apart is refused. */
function escapeLower(path: string): string {
  if (/["\n]/.test(path)) throw new ThawError("INVALID", `cannot mount ${JSON.stringify(path)}: bad characters`);
  return path.replace(/[\\:,]/g, "\\$&");
}

/** Makes sure that `dir` is an empty directory; true when it had to be made. */
async function claim(dir: string): Promise<boolean> {
  try {
    await mkdir(dir, { mode: 0o755 });
    return true;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") {
      throw new ThawError("PATH_NOT_FOUND", `${dirname(dir)} does not exist`, { hint: "Create it first." });
    }
    if (errnoOf(error) !== "EEXIST") throw asThawError(error);
  }
  await requireDirectory(dir, "the target");
  if ((await readdir(dir)).length === 0) return false;
  throw new ThawError("INVALID", `${dir} is not empty`, { hint: "Give a directory that is empty or does not exist." });
}

async function clear(dir: string, made: boolean): Promise<void> {
  if (made) return removeTree(dir);
  for (const name of await readdir(dir)) await rm(join(dir, name), { recursive: true, force: true });
}

async function requireDirectory(path: string, what: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return;
  if (found) throw new ThawError("INVALID", `${path} is not a directory`);
  throw new ThawError("PATH_NOT_FOUND", `${what} ${path} does not exist`, { hint: "Check the path." });
}
