/** A daemon of the benchmark's own, in fresh directories, that restores with the engine that is to be measured. */
import { join } from "node:path";
import { type Context, makeContext } from "../cli/context.ts";
import { stopDaemon } from "../cli/stop-daemon.ts";
import { daemonEngine, type EngineName } from "./engines.ts";

/** Runs `use` with one, which is stopped afterwards. The next one in the same directory has its images. */
export async function withDaemon<T>(
  directory: string,
  engine: EngineName,
  use: (context: Context) => Promise<T>,
): Promise<T> {
  const home = join(directory, "home");
  process.env.THAW_DATA = join(home, "data");
  process.env.THAW_RUN = join(home, "run");
  process.env.THAW_RESTORE_ENGINE = daemonEngine(engine);
  const context = makeContext();
  try {
    await context.client.json("daemonStatus");
    return await use(context);
  } finally {
    await stopSurely(context);
  }
}

const TRIES = 3;
const RETRY_MS = 100;

/** A stop that falls into something else that goes on may fail, and then nothing would ever end that daemon. */
async function stopSurely({ client }: Context): Promise<void> {
  for (let tries = 1; tries <= TRIES; tries++) {
    try {
      return await stopDaemon(client, true);
    } catch (error) {
      if (tries === TRIES) console.error(String(error));
      else await Bun.sleep(RETRY_MS);
    }
  }
}
