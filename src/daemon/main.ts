/**
 * The composition root: makes the parts, ties them together, lets them agree with the kernel after whatever happened
 * before, and serves. It runs until SIGTERM, SIGINT or a stop request; its containers and its services' sockets are
 * the launcher's and go on without it.
 */
import { mkdirSync, rmSync, writeSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { errorBody } from "../api/errors.ts";
import { asThawError, errnoOf } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { lockRunDirectory } from "./lock.ts";
import { Log } from "./log.ts";
import { handlers } from "./routes/index.ts";
import { ApiServer } from "./server.ts";
import { World } from "./world.ts";

export { setup } from "./setup.ts";

export interface DaemonOptions {
  /** Say on stdout, in one JSON line, that it serves or why it cannot; nothing is written there afterwards. */
  readonly announce: boolean;
}

/** Runs the daemon until it is told to end. @throws ThawError when it cannot start and `announce` is off. */
export async function runDaemon(paths: Paths, { announce }: DaemonOptions): Promise<void> {
  const startedAt = new Date();
  const say = (line: object) => {
    if (announce) tell(`${JSON.stringify(line)}\n`);
  };
  let running: Running;
  try {
    running = await startDaemon(paths, startedAt, !announce);
  } catch (error) {
    say({ error: errorBody(asThawError(error)) });
    if (announce) process.exit(1);
    throw error;
  }
  say({ ready: true });
  await running.ended;
  // Something that was begun may still hold the event loop; everything that must be finished is.
  process.exit(0);
}

/** Whoever started the daemon may be gone by now; the daemon is wanted all the same. */
function tell(line: string): void {
  try {
    writeSync(1, line);
  } catch (error) {
    if (errnoOf(error) !== "EPIPE") throw error;
  }
}

/** A daemon that serves. */
export interface Running {
  /** Resolves when it has ended in order. */
  readonly ended: Promise<void>;
  readonly end: () => void;
}

/** @param echo  whether the log goes to stderr too. @throws ThawError WRONG_STATE when one runs already, and others. */
export async function startDaemon(paths: Paths, startedAt: Date, echo: boolean): Promise<Running> {
  const lock = lockRunDirectory(paths.run);
  const log = new Log(join(paths.run, "daemon.log"), { echo });
  const end = Promise.withResolvers<void>();
  try {
    process.umask(0o022);
    mkdirSync(paths.data, { recursive: true, mode: 0o711 });
    const world = await World.open(paths, log, { startedAt, end: () => end.resolve() });
    await rm(paths.tmp, { recursive: true, force: true });
    mkdirSync(paths.tmp, { recursive: true, mode: 0o700 });
    await world.reconcileServices();
    const server = new ApiServer(handlers(world.parts), log);
    await server.listen(paths.apiSocket);
    log.info(`serving on ${paths.apiSocket}, pid ${process.pid}`);
    followSignals(log, () => end.resolve());
    const ended = end.promise.then(async () => {
      log.info("ending");
      await server.close();
      await world.close();
      rmSync(paths.apiSocket, { force: true });
      lock.release();
    });
    return { ended, end: () => end.resolve() };
  } catch (error) {
    log.error("the daemon could not start", error);
    lock.release();
    throw error;
  }
}

function followSignals(log: Log, end: () => void): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);
  // The terminal it was started from may close.
  process.on("SIGHUP", () => undefined);
  // One call's failure that nobody awaited is no reason to drop everybody else's.
  process.on("unhandledRejection", (error) => log.error("a promise was rejected and nobody looked", error));
}
