/**
 * Volumes: a directory each, `<volumes>/<name>/_data`, and a row. The row comes first, so what has no directory yet gets
 * one when it is needed; a directory without a row is somebody's data and is never removed by itself. Removing
 * moves the directory away first: what is gone cannot be half there.
 */
import type { Database } from "bun:sqlite";
import { randomBytes, randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { databaseError, migrate } from "../common/database.ts";
import { asThawError, errnoOf, ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { VOLUME_NAME } from "./name.ts";

/** A volume. */
export interface Volume {
  readonly name: string;
  /** Where its content is on the host. */
  readonly path: string;
  /** Made for one container that gave it no name. */
  readonly anonymous: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

const SCHEMA = [
  `CREATE TABLE volumes (
    name TEXT PRIMARY KEY,
    anonymous INTEGER NOT NULL,
    labels TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT`,
];

interface Row {
  readonly name: string;
  readonly anonymous: number;
  readonly labels: string;
  readonly created_at: number;
}

/** The volumes of one data directory. */
export class VolumeStore {
  readonly #database: Database;
  readonly #paths: Pick<Paths, "volumes" | "tmp">;

  /** @throws ThawError when the database cannot be read. */
  constructor(database: Database, paths: Pick<Paths, "volumes" | "tmp">) {
    this.#database = database;
    this.#paths = paths;
    migrate(database, "volumes", SCHEMA);
  }

  /** All of them, by name. */
  list(): Volume[] {
    const rows = this.#database.query<Row, []>("SELECT * FROM volumes ORDER BY name").all();
    return rows.map((row) => this.#fromRow(row));
  }

  find(name: string): Volume | undefined {
    const row = this.#database.query<Row, [string]>("SELECT * FROM volumes WHERE name = ?").get(name);
    return row === null ? undefined : this.#fromRow(row);
  }

  /** @throws ThawError VOLUME_NOT_FOUND. */
  get(name: string): Volume {
    const volume = this.find(name);
    if (volume) return volume;
    throw new ThawError("VOLUME_NOT_FOUND", `no volume is called ${JSON.stringify(name.slice(0, 140))}`, {
      hint: "`thaw volume ls` lists the volumes there are.",
    });
  }

  /**
   * The volume of that name, made when there is none; without a name a new anonymous one.
   * @throws ThawError INVALID, NO_SPACE.
   */
  ensure(name = "", labels: Readonly<Record<string, string>> = {}): Volume {
    const volume = (name === "" ? undefined : this.find(name)) ?? this.#insert(name, labels);
    try {
      mkdirSync(volume.path, { recursive: true });
      // What is in the directory of all volumes is for root; in a volume it is for whom it belongs to.
      chmodSync(this.#paths.volumes, 0o711);
    } catch (error) {
      throw asThawError(error);
    }
    return volume;
  }

  #insert(name: string, labels: Readonly<Record<string, string>>): Volume {
    const anonymous = name === "";
    const wanted = anonymous ? randomBytes(32).toString("hex") : name;
    if (!VOLUME_NAME.test(wanted)) {
      throw new ThawError("INVALID", `${JSON.stringify(name)} is not a volume's name`, {
        hint: "Use letters, digits, `_`, `.` and `-`, beginning with a letter or digit, at most 128.",
      });
    }
    const row = { name: wanted, anonymous: anonymous ? 1 : 0, labels: JSON.stringify(labels), created_at: Date.now() };
    try {
      this.#database
        .query("INSERT INTO volumes (name, anonymous, labels, created_at) VALUES (?, ?, ?, ?)")
        .run(row.name, row.anonymous, row.labels, row.created_at);
    } catch (error) {
      throw databaseError(error, `cannot record the volume ${wanted}`);
    }
    return this.#fromRow(row);
  }

  /** Removes a volume with its content; whether somebody uses it is the caller's affair. Missing is fine. */
  async remove(name: string): Promise<void> {
    const volume = this.find(name);
    if (!volume) return;
    const away = join(this.#paths.tmp, `volume-${randomUUID()}`);
    try {
      mkdirSync(this.#paths.tmp, { recursive: true });
      renameSync(join(this.#paths.volumes, name), away);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw asThawError(error);
    }
    try {
      this.#database.query("DELETE FROM volumes WHERE name = ?").run(name);
    } catch (error) {
      throw databaseError(error, `cannot remove the volume ${name}`);
    } finally {
      await rm(away, { recursive: true, force: true });
    }
  }

  #fromRow({ name, anonymous, labels, created_at }: Row): Volume {
    const path = join(this.#paths.volumes, name, "_data");
    // This table is only written by #insert.
    return { name, path, anonymous: anonymous !== 0, labels: JSON.parse(labels), createdAt: created_at };
  }
}
