/**
 * The parts of the OCI image specification that thaw reads and writes. Foreign manifests and configs go through
 * these schemas; unknown fields are ignored, as the specification asks, but not kept.
 */
import { z } from "zod";
import { ThawError } from "../common/errors.ts";
import { type Digest, isDigest } from "../content/index.ts";

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
export const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";

const digest = z.custom<Digest>(isDigest, "expected sha256: and 64 lower-case hexadecimal digits");
const strings = z.array(z.string());
const labels = z.record(z.string(), z.string());
const set = z.record(z.string(), z.object({}));

export const descriptorSchema = z.object({
  mediaType: z.string(),
  digest,
  size: z.int().min(0),
});

export const manifestSchema = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().default(MANIFEST_TYPE),
  config: descriptorSchema,
  layers: z.array(descriptorSchema).max(500),
  annotations: labels.nullish(),
});

/** What a container of the image runs by default. */
export const runConfigSchema = z.object({
  User: z.string().nullish(),
  ExposedPorts: set.nullish(),
  /** `NAME=value` each. */
  Env: strings.nullish(),
  Entrypoint: strings.nullish(),
  Cmd: strings.nullish(),
  Volumes: set.nullish(),
  WorkingDir: z.string().nullish(),
  Labels: labels.nullish(),
  StopSignal: z.string().nullish(),
  /** Docker's extension: what the shell form of RUN, CMD and ENTRYPOINT is run by. */
  Shell: strings.nullish(),
});

export const historySchema = z.object({
  created: z.string().optional(),
  created_by: z.string().optional(),
  comment: z.string().optional(),
  empty_layer: z.boolean().optional(),
});

export const configSchema = z.object({
  created: z.string().optional(),
  author: z.string().optional(),
  architecture: z.string(),
  os: z.string(),
  config: runConfigSchema.default({}),
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(digest).max(500) }),
  history: z.array(historySchema).default([]),
});

export type Descriptor = z.infer<typeof descriptorSchema>;
export type Manifest = z.infer<typeof manifestSchema>;
export type RunConfig = z.infer<typeof runConfigSchema>;
export type History = z.infer<typeof historySchema>;
export type ImageConfig = z.infer<typeof configSchema>;

/** Parses a manifest's JSON. @throws ThawError INVALID naming the first field that is wrong. */
export function parseManifest(json: Uint8Array | string): Manifest {
  return parse(manifestSchema, "image manifest", json);
}

/** Parses a config's JSON. @throws ThawError INVALID naming the first field that is wrong. */
export function parseConfig(json: Uint8Array | string): ImageConfig {
  return parse(configSchema, "image config", json);
}

function parse<S extends z.ZodType>(schema: S, what: string, json: Uint8Array | string): z.output<S> {
  const text = typeof json === "string" ? json : new TextDecoder().decode(json);
  const result = schema.safeParse(parseJson(text, what));
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new ThawError("INVALID", `bad ${what}: ${issue?.path.join(".") || "it"}: ${issue?.message ?? "malformed"}`);
}

function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThawError("INVALID", `bad ${what}: it is not JSON`, { cause });
  }
}

/** The machine's architecture as OCI calls it. */
export function hostArchitecture(): string {
  return process.arch === "x64" ? "amd64" : process.arch;
}
