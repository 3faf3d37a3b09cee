/**
 * The table of containers, kept in memory as well: a lookup costs nothing and the daemon still knows what happened
 * when the disk is full. A change is in memory first and then in the database; only a new row is in neither when it
 * cannot be written.
 */
import type { Database } from "bun:sqlite";
import { databaseError, migrate } from "../common/database.ts";
import { ThawError } from "../common/errors.ts";
import { readSpec } from "./network.ts";
import type { Container, ContainerSpec, ContainerState } from "./types.ts";

const SCHEMA = [
  `CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,
    state TEXT NOT NULL,
    pid INTEGER NOT NULL,
    exit_code INTEGER NOT NULL,
    oom_killed INTEGER NOT NULL,
    error TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER NOT NULL,
    restored_from TEXT,
    service TEXT
  ) STRICT`,
];

interface Row {
  readonly id: string;
  readonly name: string;
  readonly spec: string;
  readonly state: string;
  readonly pid: number;
  readonly exit_code: number;
  readonly oom_killed: number;
  readonly error: string;
  readonly created_at: number;
  readonly started_at: number;
  readonly finished_at: number;
  readonly restored_from: string | null;
  readonly service: string | null;
}

/** Reads and writes the table `containers`. */
export class ContainerStore {
  readonly #database: Database;
  readonly #containers = new Map<string, Container>();
  /** Those whose rows are to be written soon. */
  readonly #late = new Set<string>();

  /** @throws ThawError when the database cannot be read. */
  constructor(database: Database) {
    this.#database = database;
    migrate(database, "containers", SCHEMA);
    const rows = database.query<Row, []>("SELECT * FROM containers ORDER BY created_at").all();
    for (const row of rows) this.#containers.set(row.id, fromRow(row));
  }

  all(): Container[] {
    return [...this.#containers.values()];
  }

  find(id: string): Container | undefined {
    return this.#containers.get(id);
  }

  nameTaken(name: string): boolean {
    return this.all().some((container) => container.spec.name === name);
  }

  /** By full id, name, or unambiguous prefix of an id. @throws ThawError CONTAINER_NOT_FOUND. */
  get(idOrName: string): Container {
    const exact = this.find(idOrName) ?? this.all().find(({ spec }) => spec.name === idOrName);
    if (exact) return exact;
    const matches = idOrName === "" ? [] : this.all().filter(({ id }) => id.startsWith(idOrName));
    const [only, ...more] = matches;
    if (only && more.length === 0) return only;
    const what = only ? `the ids of ${matches.length} containers begin with` : "no container is called";
    throw new ThawError("CONTAINER_NOT_FOUND", `${what} ${JSON.stringify(idOrName)}`, {
      hint: only ? "Give more digits of the id." : "`thaw ps --all` lists the containers there are.",
    });
  }

  /** Adds a container. @throws ThawError NAME_IN_USE, NO_SPACE; nothing is added then. */
  insert(container: Container): void {
    const { name } = container.spec;
    if (this.nameTaken(name)) {
      throw new ThawError("NAME_IN_USE", `the name ${JSON.stringify(name)} belongs to another container`, {
        hint: `Choose another name, or remove that container: thaw rm ${name}`,
      });
    }
    this.#write(container);
    this.#containers.set(container.id, container);
  }

  /**
   * Replaces a container's row; one that was removed meanwhile stays so.
   * @throws ThawError NO_SPACE; what is in memory is changed all the same.
   */
  update(container: Container): void {
    if (this.note(container)) this.#write(container);
  }

  /** Changes a container in memory alone; one that was removed meanwhile stays so. @returns whether it is there. */
  note(container: Container): boolean {
    if (!this.#containers.has(container.id)) return false;
    this.#late.delete(container.id);
    this.#containers.set(container.id, container);
    return true;
  }

  /**
   * Changes a container in memory, and its row when what is being done now is done, unless another change comes first.
   * For a change that is made again after a crash: a row that cannot be written is only logged.
   */
  updateSoon(container: Container): void {
    if (!this.note(container)) return;
    if (this.#late.size === 0) setImmediate(() => this.flush());
    this.#late.add(container.id);
  }

  /** Writes the rows that are to be written soon. */
  flush(): void {
    const containers = [...this.#late].flatMap((id) => this.#containers.get(id) ?? []);
    this.#late.clear();
    for (const container of containers) {
      try {
        this.#write(container);
      } catch (error) {
        console.error("thaw:", error instanceof Error ? error.message : error);
      }
    }
  }

  /** Makes its name free at once; the row goes by `remove`. Missing is fine. */
  forget(id: string): void {
    this.#containers.delete(id);
    this.#late.delete(id);
  }

  /** Missing is fine. @throws ThawError NO_SPACE. */
  remove(id: string): void {
    this.forget(id);
    try {
      this.#database.query("DELETE FROM containers WHERE id = ?").run(id);
    } catch (error) {
      throw databaseError(error, `cannot remove container ${id}`);
    }
  }

  #write(container: Container): void {
    const row = toRow(container);
    const values = Object.values(row);
    const marks = values.map(() => "?").join(", ");
    try {
      const sql = `INSERT OR REPLACE INTO containers (${Object.keys(row).join(", ")}) VALUES (${marks})`;
      this.#database.query(sql).run(...values);
    } catch (error) {
      throw databaseError(error, `cannot record container ${container.spec.name}`);
    }
  }
}

function toRow(container: Container): Row {
  return {
    id: container.id,
    name: container.spec.name,
    spec: JSON.stringify(container.spec),
    state: container.state,
    pid: container.pid,
    exit_code: container.exitCode,
    oom_killed: container.oomKilled ? 1 : 0,
    error: container.error,
    created_at: container.createdAt,
    started_at: container.startedAt,
    finished_at: container.finishedAt,
    restored_from: container.restoredFrom ?? null,
    service: container.service ?? null,
  };
}

function fromRow(row: Row): Container {
  return {
    id: row.id,
    // This table is only written by toRow, out of a checked ContainerSpec.
    spec: readSpec(JSON.parse(row.spec) as ContainerSpec),
    // The same.
    state: row.state as ContainerState,
    pid: row.pid,
    exitCode: row.exit_code,
    oomKilled: row.oom_killed !== 0,
    error: row.error,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    restoredFrom: row.restored_from ?? undefined,
    service: row.service ?? undefined,
  };
}
