/**
 * The image tables. Everything an image listing needs is in the database, so that neither listing nor resolving
 * reads files; a row is written only after the files it speaks of are complete.
 */
import type { Database } from "bun:sqlite";
import { migrate } from "../common/database.ts";
import { type Digest, parseDigest } from "../content/index.ts";
import type { CommittedLayer } from "./layer/index.ts";
import { parseConfig, parseManifest } from "./oci.ts";
import type { Image } from "./store.ts";

const SCHEMA = [
  `
  CREATE TABLE images (
    manifest_digest TEXT PRIMARY KEY, id TEXT NOT NULL, manifest TEXT NOT NULL, config TEXT NOT NULL,
    size INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX images_by_id ON images (id);
  CREATE TABLE image_references (
    reference TEXT PRIMARY KEY, manifest_digest TEXT NOT NULL REFERENCES images (manifest_digest)
  ) STRICT;
  CREATE TABLE image_layers (
    diff_id TEXT PRIMARY KEY, blob TEXT NOT NULL, blob_size INTEGER NOT NULL, size INTEGER NOT NULL,
    media_type TEXT NOT NULL
  ) STRICT;
  CREATE TABLE build_cache (key TEXT PRIMARY KEY, diff_id TEXT, created TEXT NOT NULL) STRICT;
`,
];

interface ImageRow {
  manifest_digest: string;
  id: string;
  manifest: string;
  config: string;
  size: number;
  refs: string | null;
}

interface LayerRow {
  diff_id: string;
  blob: string;
  blob_size: number;
  size: number;
  media_type: string;
}

/** What a build step made: a layer, or nothing when it changed no file. */
export interface CachedStep {
  readonly diffId: Digest | undefined;
  /** When the step really ran, RFC 3339. */
  readonly created: string;
}

const SELECT_IMAGE = `
  SELECT i.*, (SELECT json_group_array(reference) FROM image_references r
               WHERE r.manifest_digest = i.manifest_digest) AS refs
  FROM images i`;

/** Typed access to the image tables; makes them when they do not exist. */
export class ImageTables {
  readonly #db: Database;

  constructor(db: Database) {
    this.#db = db;
    migrate(db, "images", SCHEMA);
  }

  /** All images, the newest row first. */
  images(): Image[] {
    return this.#db.query<ImageRow, []>(`${SELECT_IMAGE} ORDER BY i.rowid DESC`).all().map(toImage);
  }

  imageByReference(reference: string): Image | undefined {
    const where = "JOIN image_references x ON x.manifest_digest = i.manifest_digest WHERE x.reference = ?";
    const row = this.#db.query<ImageRow, [string]>(`${SELECT_IMAGE} ${where}`).get(reference);
    return row === null ? undefined : toImage(row);
  }

  /** The images whose id or manifest digest begins with `sha256:<hex>`. */
  imagesByPrefix(hex: string): Image[] {
    const where = "WHERE i.id GLOB ?1 OR i.manifest_digest GLOB ?1";
    return this.#db.query<ImageRow, [string]>(`${SELECT_IMAGE} ${where}`).all(`sha256:${hex}*`).map(toImage);
  }

  addImage(image: Omit<Image, "references" | "layers">, reference: string | undefined): void {
    this.#db.transaction(() => {
      this.#db
        .query("INSERT OR IGNORE INTO images VALUES (?, ?, ?, ?, ?)")
        .run(image.manifestDigest, image.id, JSON.stringify(image.manifest), JSON.stringify(image.config), image.size);
      if (reference !== undefined) this.setReference(reference, image.manifestDigest);
    })();
  }

  setReference(reference: string, manifest: Digest): void {
    this.#db.query("INSERT OR REPLACE INTO image_references VALUES (?, ?)").run(reference, manifest);
  }

  deleteReference(reference: string): void {
    this.#db.query("DELETE FROM image_references WHERE reference = ?").run(reference);
  }

  deleteImage(manifest: Digest): void {
    this.#db.transaction(() => {
      this.#db.query("DELETE FROM image_references WHERE manifest_digest = ?").run(manifest);
      this.#db.query("DELETE FROM images WHERE manifest_digest = ?").run(manifest);
    })();
  }

  layers(): CommittedLayer[] {
    return this.#db.query<LayerRow, []>("SELECT * FROM image_layers").all().map(toLayer);
  }

  layer(diffId: Digest): CommittedLayer | undefined {
    const row = this.#db.query<LayerRow, [string]>("SELECT * FROM image_layers WHERE diff_id = ?").get(diffId);
    return row === null ? undefined : toLayer(row);
  }

  addLayer(layer: CommittedLayer): void {
    this.#db
      .query("INSERT OR IGNORE INTO image_layers VALUES (?, ?, ?, ?, ?)")
      .run(layer.diffId, layer.blob, layer.blobSize, layer.size, layer.mediaType);
  }

  /** Forgets a layer and every build step that made it. */
  deleteLayer(diffId: Digest): void {
    this.#db.transaction(() => {
      this.#db.query("DELETE FROM image_layers WHERE diff_id = ?").run(diffId);
      this.#db.query("DELETE FROM build_cache WHERE diff_id = ?").run(diffId);
    })();
  }

  cachedStep(key: string): CachedStep | undefined {
    const row = this.#db
      .query<{ diff_id: string | null; created: string }, [string]>("SELECT * FROM build_cache WHERE key = ?")
      .get(key);
    if (row === null) return undefined;
    return { diffId: row.diff_id === null ? undefined : parseDigest(row.diff_id), created: row.created };
  }

  cacheStep(key: string, step: CachedStep): void {
    this.#db.query("INSERT OR REPLACE INTO build_cache VALUES (?, ?, ?)").run(key, step.diffId ?? null, step.created);
  }
}

function toImage(row: ImageRow): Image {
  const config = parseConfig(row.config);
  const references: unknown = JSON.parse(row.refs ?? "[]");
  return {
    id: parseDigest(row.id),
    manifestDigest: parseDigest(row.manifest_digest),
    references: Array.isArray(references) ? references.map(String).sort() : [],
    manifest: parseManifest(row.manifest),
    config,
    layers: config.rootfs.diff_ids,
    size: row.size,
  };
}

function toLayer(row: LayerRow): CommittedLayer {
  return {
    diffId: parseDigest(row.diff_id),
    blob: parseDigest(row.blob),
    blobSize: row.blob_size,
    size: row.size,
    mediaType: row.media_type,
  };
}
