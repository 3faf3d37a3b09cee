/** Ending the daemon, and waiting until its process is gone: what follows must find its files closed. */
import { readFileSync } from "node:fs";
import type { ApiClient } from "../api/client.ts";
import type { DaemonStatus } from "../api/thaw.ts";
import { ThawError } from "../common/errors.ts";

const END_LIMIT_MS = 10_000;
const RETRY_MS = 10;

/** @throws ThawError WRONG_STATE when something runs and not `force`, TIMEOUT, DAEMON_UNREACHABLE. */
export async function stopDaemon(client: ApiClient, force: boolean): Promise<void> {
  const { pid } = await client.json<DaemonStatus>("daemonStatus");
  await client.json("daemonStop", { body: { force } });
  for (const begun = performance.now(); isAlive(pid); await Bun.sleep(RETRY_MS)) {
    if (performance.now() - begun < END_LIMIT_MS) continue;
    throw new ThawError("TIMEOUT", `the daemon (pid ${pid}) has not ended after ${END_LIMIT_MS / 1000} s`, {
      hint: "See daemon.log in the run directory for what it is doing.",
    });
  }
}

/** A zombie has ended: what it had open is closed. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !isZombie(pid);
}

function isZombie(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.startsWith("Z") ?? false;
  } catch {
    return true;
  }
}
