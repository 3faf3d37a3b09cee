/**
 * The services table. A row is the wish: what shall listen and how it wakes; the launcher's listeners are the
 * fact. Counters are written when a wake-up ends, never per connection.
 */
import type { Database } from "bun:sqlite";
import { databaseError, migrate } from "../common/database.ts";
import type { Tier } from "./tiers.ts";
import type { ServiceSpec, WakePhases } from "./types.ts";

const STEPS = [
  `CREATE TABLE services (
     id TEXT PRIMARY KEY, project TEXT NOT NULL, spec TEXT NOT NULL, digest TEXT NOT NULL, instance TEXT NOT NULL,
     checkpoint TEXT NOT NULL, generation INTEGER NOT NULL, prepared INTEGER NOT NULL, engine TEXT NOT NULL,
     reasons TEXT NOT NULL, wakes INTEGER NOT NULL, wakes_seen INTEGER NOT NULL, last_wake TEXT NOT NULL,
     error TEXT NOT NULL
   ) STRICT`,
  `ALTER TABLE services ADD COLUMN tier TEXT NOT NULL DEFAULT 'disk'`,
  `ALTER TABLE services ADD COLUMN fallbacks INTEGER NOT NULL DEFAULT 0`,
];

/** What is known of a service across restarts. */
export interface ServiceRow {
  readonly id: string;
  readonly spec: ServiceSpec;
  /** Of the spec and its image; see `specDigest`. */
  readonly digest: string;
  /** Id of the container that an awake service is. */
  readonly instance: string;
  /** Name of its checkpoint, or "" when it wakes by a cold start. */
  readonly checkpoint: string;
  /** Counts preparations, so that names never meet. */
  readonly generation: number;
  /** False while its first preparation is not done: then nothing of it shall remain after a crash. */
  readonly prepared: boolean;
  readonly engine: string;
  /** What its sockets are armed with. */
  readonly tier: Tier;
  readonly fallbacks: number;
  readonly reasons: readonly string[];
  readonly wakes: number;
  /** The launcher's counter when `wakes` was last brought up to date. */
  readonly wakesSeen: number;
  readonly lastWake: WakePhases | undefined;
  readonly error: string;
}

interface Stored {
  id: string;
  spec: string;
  digest: string;
  instance: string;
  checkpoint: string;
  generation: number;
  prepared: number;
  engine: string;
  reasons: string;
  wakes: number;
  wakes_seen: number;
  last_wake: string;
  error: string;
  tier: Tier;
  fallbacks: number;
}

/** Typed access to the table; makes it when it does not exist. */
export class ServiceStore {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
    migrate(db, "services", STEPS);
  }

  all(): ServiceRow[] {
    return this.#db.query<Stored, []>("SELECT * FROM services ORDER BY id").all().map(decode);
  }

  get(id: string): ServiceRow | undefined {
    const stored = this.#db.query<Stored, [string]>("SELECT * FROM services WHERE id = ?").get(id);
    return stored === null ? undefined : decode(stored);
  }

  /** Inserts or replaces a row. @throws ThawError NO_SPACE. */
  put(row: ServiceRow): void {
    try {
      this.#db
        .query(
          `INSERT OR REPLACE INTO services VALUES ($id, $project, $spec, $digest, $instance, $checkpoint, $generation,
             $prepared, $engine, $reasons, $wakes, $wakesSeen, $lastWake, $error, $tier, $fallbacks)`,
        )
        .run({
          ...row,
          project: row.spec.project,
          spec: JSON.stringify(row.spec),
          prepared: row.prepared ? 1 : 0,
          reasons: JSON.stringify(row.reasons),
          lastWake: row.lastWake === undefined ? "" : JSON.stringify(row.lastWake),
        });
    } catch (error) {
      throw databaseError(error, `cannot write the service ${row.id}`);
    }
  }

  remove(id: string): void {
    this.#db.query("DELETE FROM services WHERE id = ?").run(id);
  }
}

function decode(stored: Stored): ServiceRow {
  const { wakes_seen, last_wake, ...row } = stored;
  return {
    ...row,
    // Written by `put` alone, so the JSON has the types it was made of.
    spec: JSON.parse(row.spec) as ServiceSpec,
    reasons: JSON.parse(row.reasons) as string[],
    lastWake: last_wake === "" ? undefined : (JSON.parse(last_wake) as WakePhases),
    prepared: row.prepared === 1,
    wakesSeen: wakes_seen,
  };
}
