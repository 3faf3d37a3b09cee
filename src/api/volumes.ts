/** Volumes on the wire, in the shapes of the Docker Engine API. */
import { z } from "zod";
import { VOLUME_NAME } from "../volume/name.ts";
import { filterValuesSchema, jsonText } from "./filters.ts";
import { unsupported } from "./validate.ts";
import { flagSchema } from "./values.ts";

/** Body of POST /volumes/create. */
export const volumeCreateSchema = z
  .object({
    Name: z.union([z.string().regex(VOLUME_NAME, { error: "expected a volume's name" }), z.literal("")]).nullish(),
    Driver: unsupported("local"),
    DriverOpts: unsupported(),
    Labels: z.record(z.string(), z.string()).nullish(),
  })
  .catchall(unsupported());

const text = filterValuesSchema.optional();

/** Query of GET /volumes. */
export const volumeListQuerySchema = z.object({
  filters: jsonText.pipe(z.strictObject({ name: text, label: text, dangling: text, driver: text })).optional(),
});

/** Query of POST /volumes/prune. */
export const volumePruneQuerySchema = z.object({
  filters: jsonText.pipe(z.strictObject({ all: text, label: text })).optional(),
});

/** Query of DELETE /volumes/{name}. */
export const volumeRemoveQuerySchema = z.object({ force: flagSchema });

/** One volume. */
export interface VolumeAnswer {
  readonly Name: string;
  readonly Driver: "local";
  readonly Mountpoint: string;
  /** RFC 3339. */
  readonly CreatedAt: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Scope: "local";
  readonly Options: Readonly<Record<string, string>>;
}

/** Answer to GET /volumes. */
export interface VolumeList {
  readonly Volumes: readonly VolumeAnswer[];
  readonly Warnings: readonly string[];
}

/** Answer to POST /volumes/prune. */
export interface VolumePruned {
  readonly VolumesDeleted: readonly string[];
  /** Bytes. */
  readonly SpaceReclaimed: number;
}
