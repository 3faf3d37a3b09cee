/**
 * Checkpoints on disk. Each is a directory named by its id:
 *
 *     checkpoint.json   the manifest
 *     images/           what CRIU dumped: memory and secrets, mode 0600
 *     compiled/         what a faster engine made of it, if any
 *     pages/, packs/    then also where the memory's pages are, and links to the files that have them (pages/packs.ts)
 *     upper/            the container's writable layer, a read-only layer of what is restored
 *
 * and a row in the database, which alone makes it exist: it is written last and removed first, so a
 * crash at any moment leaves at most a directory without a row, and `sweep` removes those.
 */
import type { Database } from "bun:sqlite";
import { randomBytes } from "node:crypto";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { asThawError, errnoOf, ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { dumpCompiler } from "./compile-dump.ts";
import { entriesOf, isDirectory, syncFileSystem, verifyFiles } from "./files.ts";
import {
  type CheckpointDraft,
  CheckpointId,
  type CheckpointManifest,
  parseCheckpointName,
  parseManifest,
} from "./manifest.ts";
import { PackStore } from "./pages/index.ts";
import { type CompileHook, seal, type Trial } from "./seal.ts";

/** Half-made and half-removed checkpoints are in the temporary directory under this prefix and their id. */
const TMP_PREFIX = "checkpoint-";

/** A checkpoint that is being made. */
export interface PendingCheckpoint {
  readonly id: string;
  /** Has empty `images/` (0700) and `upper/` (0755); the latter may be replaced by rename. */
  readonly dir: string;
}

interface Row {
  readonly id: string;
  readonly json: string;
}

/** All checkpoints of a data directory. One process owns it at a time. */
export class CheckpointStore {
  readonly #paths: Paths;
  readonly #database: Database;
  readonly #packs: PackStore;
  readonly #compile: CompileHook;
  /** Ids that were begun and are neither committed nor discarded. */
  readonly #pending = new Set<string>();

  /**
   * @param database the daemon's database; the table is made when missing.
   * @param compile what looks at every dump before it is sealed.
   */
  constructor(paths: Paths, database: Database, compile: CompileHook = dumpCompiler()) {
    this.#paths = paths;
    this.#database = database;
    this.#packs = new PackStore(paths.packs);
    this.#compile = compile;
    database.run(
      `CREATE TABLE IF NOT EXISTS checkpoints (
         name TEXT NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE, created INTEGER NOT NULL, json TEXT NOT NULL)`,
    );
  }

  /**
   * A fresh directory to dump into.
   * @throws ThawError INVALID for a malformed name, NAME_IN_USE, NO_SPACE.
   */
  async begin(name: string): Promise<PendingCheckpoint> {
    this.refuseTaken(name);
    const id = randomBytes(16).toString("hex");
    this.#pending.add(id);
    const dir = this.#temporary(id);
    await this.#orDiscard(id, async () => {
      await mkdir(join(dir, "images"), { recursive: true, mode: 0o700 });
      await mkdir(join(dir, "upper"), { mode: 0o755 });
    });
    return { id, dir };
  }

  /**
   * Seals what was dumped and makes it exist; on any failure nothing of it is left.
   * @throws ThawError NAME_IN_USE, CHECKPOINT_FAILED, NO_SPACE, INVALID.
   */
  async commit(id: string, draft: CheckpointDraft, trial?: Trial): Promise<CheckpointManifest> {
    if (!this.#pending.has(id)) throw new ThawError("WRONG_STATE", `checkpoint ${id}: expected one that was begun`);
    return await this.#orDiscard(id, async () => {
      const manifest = await seal(
        { packs: this.#packs, compile: this.#compile },
        this.#temporary(id),
        id,
        draft,
        trial,
      );
      await mkdir(this.#paths.checkpoints, { recursive: true, mode: 0o700 });
      this.refuseTaken(manifest.name);
      await rename(this.#temporary(id), this.directoryOf(id));
      await syncFileSystem(this.#paths.checkpoints);
      this.#insert(manifest);
      this.#pending.delete(id);
      return manifest;
    });
  }

  /** Gives up a checkpoint that was begun. Harmless when it is gone already. */
  async discard(id: string): Promise<void> {
    if (!this.#pending.has(id)) return;
    await rm(this.#temporary(id), { recursive: true, force: true });
    await rm(this.directoryOf(id), { recursive: true, force: true });
    await this.#packs.sweep();
    this.#pending.delete(id);
  }

  /** @throws ThawError CHECKPOINT_NOT_FOUND; INVALID or CHECKPOINT_INCOMPATIBLE when its manifest cannot be read. */
  get(name: string): CheckpointManifest {
    return parseManifest(this.#row(name).json);
  }

  /** The manifest, when there is one that this thaw can read. */
  find(name: string): CheckpointManifest | undefined {
    const row = this.#rowOf(name);
    return row && readable(row);
  }

  /** Its id, when there is one. */
  idOf(name: string): string | undefined {
    return this.#rowOf(name)?.id;
  }

  /** All checkpoints that this thaw can read, oldest first; `sweep` names the others. */
  list(): CheckpointManifest[] {
    const rows = this.#database.query<Row, []>("SELECT id, json FROM checkpoints ORDER BY created, name").all();
    return rows.flatMap((row) => readable(row) ?? []);
  }

  /** @throws ThawError CHECKPOINT_NOT_FOUND. Whether something still needs it is for the caller to know. */
  async remove(name: string): Promise<void> {
    const { id } = this.#row(name);
    this.#database.query("DELETE FROM checkpoints WHERE id = ?").run(id);
    await rm(this.directoryOf(id), { recursive: true, force: true });
    await this.#packs.sweep();
  }

  /**
   * Compares all image files with their digests; reads every byte. Call it when a checkpoint is loaded.
   * @throws ThawError DIGEST_MISMATCH, CHECKPOINT_NOT_FOUND.
   */
  async verify(id: string): Promise<void> {
    const row = this.#database.query<Row, [string]>("SELECT id, json FROM checkpoints WHERE id = ?").get(id);
    if (row === null) throw notFound(id);
    await verifyFiles(this.directoryOf(id), parseManifest(row.json).files);
  }

  /**
   * Removes what a crash left: half-made checkpoints, rows without a directory, directories without a row.
   * @returns one line for each thing that was removed or cannot be read.
   */
  async sweep(): Promise<string[]> {
    const findings: string[] = [];
    const known = new Set<string>();
    for (const row of this.#database.query<Row, []>("SELECT id, json FROM checkpoints").all()) {
      if (await isDirectory(this.directoryOf(row.id))) {
        known.add(row.id);
        if (!readable(row)) findings.push(`checkpoint ${row.id}: kept, but made by another version of thaw`);
        continue;
      }
      this.#database.query("DELETE FROM checkpoints WHERE id = ?").run(row.id);
      findings.push(`checkpoint ${row.id}: its directory was gone`);
    }
    for (const id of await entriesOf(this.#paths.checkpoints)) {
      if (!CheckpointId.safeParse(id).success || known.has(id) || this.#pending.has(id)) continue;
      await rm(this.directoryOf(id), { recursive: true, force: true });
      findings.push(`checkpoint ${id}: it was not finished or half removed`);
    }
    for (const name of await entriesOf(this.#paths.tmp)) {
      const id = name.startsWith(TMP_PREFIX) ? name.slice(TMP_PREFIX.length) : "";
      if (!CheckpointId.safeParse(id).success || this.#pending.has(id)) continue;
      await rm(this.#temporary(id), { recursive: true, force: true });
      findings.push(`checkpoint ${id}: it was half made`);
    }
    for (const pack of await this.#packs.sweep()) findings.push(`pages ${pack}: no checkpoint needed them`);
    return findings;
  }

  /** The directory of a committed checkpoint. */
  directoryOf(id: string): string {
    return join(this.#paths.checkpoints, CheckpointId.parse(id));
  }

  /** A directory for passing things, not made yet; the caller removes it, or after a crash `sweep`. */
  scratch(): string {
    return this.#temporary(randomBytes(16).toString("hex"));
  }

  #temporary(id: string): string {
    return join(this.#paths.tmp, `${TMP_PREFIX}${id}`);
  }

  #insert({ name, id, createdAt, ...rest }: CheckpointManifest): void {
    const json = JSON.stringify({ name, id, createdAt, ...rest });
    try {
      this.#database.query("INSERT INTO checkpoints VALUES (?, ?, ?, ?)").run(name, id, createdAt, json);
    } catch (cause) {
      if (errnoOf(cause)?.startsWith("SQLITE_CONSTRAINT")) throw nameInUse(name);
      if (errnoOf(cause) !== "SQLITE_FULL") throw cause;
      throw asThawError(Object.assign(new Error("the database's disk is full", { cause }), { code: "ENOSPC" }));
    }
  }

  #row(name: string): Row {
    const row = this.#rowOf(name);
    if (row === undefined) throw notFound(name);
    return row;
  }

  #rowOf(name: string): Row | undefined {
    return (
      this.#database.query<Row, [string]>("SELECT id, json FROM checkpoints WHERE name = ?").get(name) ?? undefined
    );
  }

  /** @throws ThawError INVALID for a malformed name, NAME_IN_USE. */
  refuseTaken(name: string): void {
    const known = this.#database.query("SELECT 1 FROM checkpoints WHERE name = ?").get(parseCheckpointName(name));
    if (known !== null) throw nameInUse(name);
  }

  async #orDiscard<T>(id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.discard(id);
      throw asThawError(error);
    }
  }
}

function notFound(name: string): ThawError {
  return new ThawError("CHECKPOINT_NOT_FOUND", `no checkpoint named ${name}`, {
    hint: "thaw checkpoint ls shows those that exist.",
  });
}

function nameInUse(name: string): ThawError {
  return new ThawError("NAME_IN_USE", `a checkpoint named ${name} exists already`, {
    hint: `Choose another name, or remove it first: thaw checkpoint rm ${name}`,
  });
}

/** The manifest in `row`, or undefined when this thaw cannot read it. */
function readable(row: Row): CheckpointManifest | undefined {
  try {
    return parseManifest(row.json);
  } catch {
    return undefined;
  }
}
