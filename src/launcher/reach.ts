/** Whether somebody listens on the launcher's socket: the launcher itself, or the keeper for the next one. */
import { existsSync } from "node:fs";

const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 20;

/** Whether connections to a unix socket are taken. */
export async function accepts(socket: string): Promise<boolean> {
  if (!existsSync(socket)) return false;
  try {
    const probe = await Bun.connect({ unix: socket, socket: { data() {} } });
    probe.end();
    return true;
  } catch {
    return false;
  }
}

/** Resolves with whether nobody takes connections any more; false when somebody still does after `limitMs`. */
export async function untilNobodyAccepts(socket: string, limitMs: number): Promise<boolean> {
  const until = performance.now() + limitMs;
  for (let delay = FIRST_LOOK_MS; await accepts(socket); delay = Math.min(delay * 2, LAST_LOOK_MS)) {
    if (performance.now() > until) return false;
    await Bun.sleep(delay);
  }
  return true;
}
