/** Ending a launcher that may be killed, and replaced by its keeper, at any moment of it. */
import { LauncherGone } from "./failures.ts";
import { untilNobodyAccepts } from "./reach.ts";

/** How long one that refuses to be spoken to, because it is ending, may take until it is gone. */
const GONE_LIMIT_MS = 5000;
const RETRY_MS = 2;

/** A connection that breaks, and can be made again. */
export interface Link {
  readonly isOpen: () => boolean;
  readonly open: () => Promise<void>;
  /** Sends the request to end. */
  readonly tell: () => Promise<unknown>;
}

/** Resolves when it has begun to end, or is gone. @throws ThawError LAUNCHER_FAILED when it refuses. */
export async function tellToEnd(socketPath: string, link: Link): Promise<void> {
  const limit = performance.now() + GONE_LIMIT_MS;
  for (;;) {
    try {
      if (!link.isOpen()) await link.open();
      await link.tell();
      return;
    } catch (error) {
      if (!(error instanceof LauncherGone)) throw error;
    }
    if ((await untilNobodyAccepts(socketPath, RETRY_MS)) || performance.now() > limit) return;
  }
}
