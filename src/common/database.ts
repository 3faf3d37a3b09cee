/**
 * The one SQLite database under the data directory. Every store (containers, images, checkpoints,
 * services) has its own tables and its own list of schema steps; a step runs once, in order, in a
 * transaction, and is never edited after a release. WAL with synchronous NORMAL: after a crash of the
 * daemon nothing is lost, after a power cut at most the last moments, which `reconcile` repairs anyway.
 */
import { Database } from "bun:sqlite";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { errnoOf, ThawError } from "./errors.ts";

/**
 * Opens (and makes, with its directory) the database.
 * @throws ThawError NO_SPACE, NOT_PERMITTED or INTERNAL when it cannot be opened.
 */
export function openDatabase(path: string): Database {
  try {
    if (path !== ":memory:") mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
    const database = new Database(path, { create: true, strict: true });
    database.run("PRAGMA journal_mode = WAL");
    database.run("PRAGMA synchronous = NORMAL");
    database.run("PRAGMA foreign_keys = ON");
    database.run("PRAGMA busy_timeout = 5000");
    return database;
  } catch (error) {
    throw databaseError(error, `cannot open the database ${path}`);
  }
}

/**
 * Brings the tables of `component` up to date: `steps[n]` is SQL that takes them from version n to n + 1.
 * @throws ThawError UNSUPPORTED when a newer thaw wrote the database, NO_SPACE when the disk is full.
 */
export function migrate(database: Database, component: string, steps: readonly string[]): void {
  try {
    database.run("CREATE TABLE IF NOT EXISTS schema_versions (component TEXT PRIMARY KEY, version INTEGER NOT NULL)");
    database.transaction(() => runSteps(database, component, steps)).immediate();
  } catch (error) {
    throw databaseError(error, `cannot prepare the tables of ${component}`);
  }
}

function runSteps(database: Database, component: string, steps: readonly string[]): void {
  const row = database
    .query<{ version: number }, [string]>("SELECT version FROM schema_versions WHERE component = ?")
    .get(component);
  const version = row?.version ?? 0;
  if (version > steps.length) {
    throw new ThawError(
      "UNSUPPORTED",
      `the tables of ${component} have version ${version}, this thaw knows ${steps.length}`,
      {
        hint: "Use the thaw that wrote the data directory, or a newer one.",
      },
    );
  }
  // A daemon that starts on a full disk must get as far as removing something.
  if (version === steps.length) return;
  for (const step of steps.slice(version)) database.run(step);
  database
    .query("INSERT INTO schema_versions VALUES (?1, ?2) ON CONFLICT (component) DO UPDATE SET version = ?2")
    .run(component, steps.length);
}

/** Turns what SQLite throws into a ThawError: a full disk is NO_SPACE, a ThawError stays itself. */
export function databaseError(error: unknown, what: string): ThawError {
  if (error instanceof ThawError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const code = errnoOf(error);
  if (code === "SQLITE_FULL" || code === "ENOSPC" || code === "EDQUOT" || code?.startsWith("SQLITE_IOERR")) {
    return new ThawError("NO_SPACE", `${what}: no space left on the data directory's disk (${reason})`, {
      hint: "Free disk space under the data directory (thaw rm, thaw image rm, thaw checkpoint rm) and try again.",
      cause: error,
    });
  }
  if (code === "EACCES" || code === "EPERM") {
    return new ThawError("NOT_PERMITTED", `${what}: ${reason}`, { hint: "Run thaw as root.", cause: error });
  }
  return new ThawError("INTERNAL", `${what}: ${reason}`, { cause: error });
}
