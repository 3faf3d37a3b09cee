/**
 * Images and builds on the wire. Listing, inspecting and removing have Docker's shapes; building and exporting
 * are thaw's own, because client and daemon share the machine: directories are named, not sent.
 */
import { z } from "zod";
import { argSchema } from "./thaw.ts";
import { flagSchema, pathSchema } from "./values.ts";

/** One row of GET /images/json. */
export interface ImageSummary {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly ParentId: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  /** Bytes. */
  readonly Size: number;
  readonly SharedSize: number;
  readonly Labels: Readonly<Record<string, string>>;
  readonly Containers: number;
}

/** Answer to GET /images/{name}/json. */
export interface ImageDetails {
  readonly Id: string;
  readonly RepoTags: readonly string[];
  readonly RepoDigests: readonly string[];
  readonly Parent: string;
  readonly Comment: string;
  /** RFC 3339. */
  readonly Created: string;
  readonly Architecture: string;
  readonly Os: string;
  readonly Size: number;
  readonly Config: Readonly<Record<string, unknown>>;
  readonly RootFS: { readonly Type: "layers"; readonly Layers: readonly string[] };
}

/** One line of the answer to DELETE /images/{name}. */
export type ImageRemoval = { readonly Untagged: string } | { readonly Deleted: string };

export const imageListQuerySchema = z.object({ all: flagSchema, digests: flagSchema });
export const imageRemoveQuerySchema = z.object({ force: flagSchema, noprune: flagSchema });

/** Body of POST /thaw/v1/builds. The answer is a progress stream whose result is a `BuildResult`. */
export const buildSchema = z.strictObject({
  /** Absolute directory with the application. */
  context: pathSchema,
  /** Absolute path of the Dockerfile; without one: `<context>/Dockerfile` if there, else the default build. */
  dockerfile: pathSchema.optional(),
  tag: z.string().optional(),
  args: argSchema.default({}),
  /** Absolute directory that gets the image's root file system. */
  rootfs: pathSchema.optional(),
  noCache: z.boolean().default(false),
  /** Absolute file with CA certificates that RUN steps may use while they run; the default build uses the host's own. */
  caFile: pathSchema.optional(),
});

export type BuildRequest = z.output<typeof buildSchema>;
export type BuildInput = z.input<typeof buildSchema>;

export interface BuildResult {
  /** `sha256:...` */
  readonly id: string;
  readonly tag: string | null;
}

/** Body of POST /thaw/v1/exports: writes an image's root file system into a directory. */
export const exportSchema = z.strictObject({ image: z.string(), directory: pathSchema });
export type ExportRequest = z.output<typeof exportSchema>;
