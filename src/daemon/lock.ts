/**
 * One daemon a run directory. The lock is SQLite's exclusive one on `<run>/daemon.lock`, held by an open
 * transaction: the kernel drops it however the process ends, so there is no stale lock, and whoever holds it may
 * replace the sockets in the directory.
 */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { errnoOf, ThawError } from "../common/errors.ts";

export interface Lock {
  release(): void;
}

const DYING_MS = 200;

/** @throws ThawError WRONG_STATE when another daemon holds it. */
export function lockRunDirectory(run: string): Lock {
  mkdirSync(run, { recursive: true, mode: 0o711 });
  const database = new Database(join(run, "daemon.lock"), { create: true });
  try {
    // One that was killed holds it until the kernel has taken it apart.
    database.run(`PRAGMA busy_timeout = ${DYING_MS}`);
    database.run("BEGIN EXCLUSIVE");
    return { release: () => database.close() };
  } catch (cause) {
    database.close();
    if (!errnoOf(cause)?.startsWith("SQLITE_BUSY")) throw cause;
    throw new ThawError("WRONG_STATE", `a thaw daemon runs already in ${run}`, {
      hint: "Use it, stop it with `thaw daemon stop`, or set THAW_RUN and THAW_DATA for a second one.",
      cause,
    });
  }
}
