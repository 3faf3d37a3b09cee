/**
 * Finding and starting the launcher. It is started in a session of its own with its output in
 * `<run>/launcher.log`, and outlives the daemon: a later daemon finds it by its socket.
 */
import { closeSync, existsSync, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import { ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { LauncherClient } from "./client.ts";
import { LauncherGone } from "./failures.ts";
import { accepts } from "./reach.ts";

const BINARY = "thaw-launcher";
const START_LIMIT_MS = 10_000;
const RETRY_MS = 5;

/**
 * The launcher's program: `THAW_LAUNCHER`, else beside this executable, else the checkout's dist.
 * @throws ThawError DEPENDENCY_MISSING when there is none.
 */
export function findLauncher(env: Record<string, string | undefined> = process.env): string {
  const checkout = join(import.meta.dir, "..", "..", "dist", BINARY);
  const candidates = env.THAW_LAUNCHER ? [env.THAW_LAUNCHER] : [join(dirname(process.execPath), BINARY), checkout];
  const found = candidates.find((path) => existsSync(path));
  if (found !== undefined) return found;
  throw new ThawError("DEPENDENCY_MISSING", `no ${BINARY} at ${candidates.join(" or ")}`, {
    hint: "Run `make` in the checkout, or set THAW_LAUNCHER to the program's path.",
  });
}

/**
 * Connects to the launcher of these directories, starting it when none answers. The client starts it again should
 * it, and the keeper of its sockets, vanish.
 * @throws ThawError DEPENDENCY_MISSING, LAUNCHER_FAILED.
 */
export async function ensureLauncher(paths: Paths): Promise<LauncherClient> {
  const options = { revive: () => startUnlessThere(paths) };
  const limit = performance.now() + START_LIMIT_MS;
  for (;;) {
    try {
      return await LauncherClient.connect(paths.launcherSocket, options);
    } catch (error) {
      // One that ends, or was killed and is replaced by its keeper, gives way in a moment.
      if (!(error instanceof LauncherGone) || performance.now() > limit) throw error;
    }
    if (await accepts(paths.launcherSocket)) await Bun.sleep(RETRY_MS);
    else await startLauncher(paths);
  }
}

async function startUnlessThere(paths: Paths): Promise<void> {
  if (!(await accepts(paths.launcherSocket))) await startLauncher(paths);
}

/** Starts the launcher. Resolves when it accepts connections. @throws ThawError LAUNCHER_FAILED when it ends instead. */
async function startLauncher(paths: Paths): Promise<void> {
  mkdirSync(paths.run, { recursive: true, mode: 0o711 });
  const logPath = join(paths.run, "launcher.log");
  const log = openSync(logPath, "a", 0o600);
  try {
    const child = Bun.spawn([findLauncher(), "serve", "--socket", paths.launcherSocket], {
      cwd: "/",
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.unref();
    await untilAccepting(paths.launcherSocket, () => child.exitCode ?? child.signalCode, logPath);
  } finally {
    closeSync(log);
  }
}

async function untilAccepting(socket: string, ended: () => number | string | null, log: string): Promise<void> {
  const limit = performance.now() + START_LIMIT_MS;
  for (let delay = 1; performance.now() < limit; delay = Math.min(delay * 2, 50)) {
    if (await accepts(socket)) return;
    const status = ended();
    if (status !== null) throw failed(`it ended at once with ${status}`, log);
    await Bun.sleep(delay);
  }
  throw failed(`it does not accept connections after ${START_LIMIT_MS / 1000} s`, log);
}

function failed(what: string, log: string): ThawError {
  return new ThawError("LAUNCHER_FAILED", `the launcher could not be started: ${what}`, { hint: `See ${log}.` });
}
