/**
 * CRIU reads a pages file that is shorter than it should be again and again, for ever (seen with 4.2.1), and does not
 * notice when what it restores dies. So a restore that takes far too long is ended from outside.
 */
import type { LauncherClient } from "../../launcher/index.ts";

/** A restore from a slow disk reads this much a millisecond. */
const SLOW_DISK_BYTES_PER_MS = 50_000;

/** What a restore may take when there is nothing to read. */
export const DEFAULT_LIMIT_MS = 10_000;

/** How long a restore of so many bytes of memory may take, ms. */
export function restoreLimit(pagesBytes: number, baseMs: number): number {
  return baseMs + pagesBytes / SLOW_DISK_BYTES_PER_MS;
}

/** Kills the container after `ms` if `isRestoring` then still says so. Returns the way to call it off. */
export function endLater(client: LauncherClient, id: string, ms: number, isRestoring: () => boolean): () => void {
  const timer = setTimeout(() => {
    if (isRestoring()) client.request({ kind: "kill", id }).catch(() => {});
  }, ms);
  timer.unref();
  return () => clearTimeout(timer);
}
