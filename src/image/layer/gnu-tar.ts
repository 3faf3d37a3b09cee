/**
 * GNU tar as the hands that touch the disk: it sets owners, modes, times and attributes. It is fed, or read,
 * through pipes; its arguments are fixed but for one directory of ours.
 */
import { ThawError } from "../../common/errors.ts";

const TAR_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
const XATTRS = ["--xattrs", "--xattrs-include=*", "--numeric-owner"];
/**
 * -P, because GNU tar would otherwise put off links that point outside to its end and let them win over later
 * entries of the same name. What it protects against, the rewriting has already refused.
 */
const EXTRACT = ["tar", "-x", "-P", "-f", "-", ...XATTRS, "--same-owner", "--same-permissions"];
const FLUSH_BYTES = 512 * 1024;

/**
 * Extracts `archive` into the existing directory `dir`.
 * @throws ThawError NO_SPACE, BAD_ARCHIVE, DEPENDENCY_MISSING; `dir` is then half-filled and the caller's to remove.
 */
export async function extractTo(dir: string, archive: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
  const child = spawnTar(() =>
    Bun.spawn([...EXTRACT, "--delay-directory-restore", "-C", dir], {
      env: TAR_ENV,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "pipe",
    }),
  );
  const complaint = new Response(child.stderr).text();
  let fed: unknown;
  try {
    await feed(child.stdin, archive, signal, () => child.exitCode !== null);
  } catch (error) {
    fed = error;
    child.kill();
  }
  const exitCode = await child.exited;
  // When tar gave up first, its own words are the reason and the broken pipe only the consequence.
  if (fed !== undefined && !(isBrokenPipe(fed) && exitCode > 0)) throw fed;
  if (exitCode !== 0) throw tarError("unpack the layer", await complaint);
}

/** The archive of everything in `dir`, sorted by name. @throws ThawError when tar fails, at the stream's end. */
export async function* archiveOf(dir: string, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const format = ["--format=posix", "--pax-option=delete=atime,delete=ctime", "--sort=name"];
  const child = spawnTar(() =>
    Bun.spawn(["tar", "-c", "-f", "-", ...format, ...XATTRS, "-C", dir, "."], {
      env: TAR_ENV,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    }),
  );
  const complaint = new Response(child.stderr).text();
  try {
    for await (const chunk of child.stdout) {
      signal?.throwIfAborted();
      yield chunk;
    }
    if ((await child.exited) !== 0) throw tarError("archive a build step", await complaint);
  } finally {
    child.kill();
    await child.exited;
  }
}

function spawnTar<T>(spawn: () => T): T {
  try {
    return spawn();
  } catch (cause) {
    throw new ThawError("DEPENDENCY_MISSING", "cannot run tar", { hint: "Install GNU tar (package tar).", cause });
  }
}

async function feed(
  sink: Bun.FileSink,
  archive: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  exited: () => boolean,
): Promise<void> {
  let waiting = 0;
  for await (const chunk of archive) {
    signal?.throwIfAborted();
    if (exited()) throw Object.assign(new Error("tar ended early"), { code: "EPIPE" });
    sink.write(chunk);
    waiting += chunk.byteLength;
    if (waiting < FLUSH_BYTES) continue;
    await sink.flush();
    waiting = 0;
  }
  await sink.end();
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "EPIPE";
}

function tarError(what: string, stderr: string): ThawError {
  const said = stderr.trim().split("\n").slice(0, 3).join("; ");
  if (/No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes/.test(stderr)) {
    return new ThawError("NO_SPACE", `no space left to ${what}`, {
      hint: "Free disk space under the data directory (thaw rm, thaw image rm) and try again.",
    });
  }
  return new ThawError("BAD_ARCHIVE", `tar could not ${what}: ${said}`);
}
