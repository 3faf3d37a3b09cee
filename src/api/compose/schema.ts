/**
 * The part of the compose file format that thaw does, as strict schemas: every key is known, known and not done
 * yet, or an error. `x-thaw` is thaw's own extension of a service.
 */
import { z } from "zod";
import { type PortText, parseDuration, parsePort } from "../texts.ts";
import { portSchema } from "../values.ts";
import { containerKeys, topVolumesSchema } from "./container-keys.ts";
import { limitKeys } from "./limits.ts";
import { textOf } from "./text.ts";

const durationSchema = textOf("a duration such as 500ms, 2s or 1m30s", parseDuration);

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
/** A list of words, or a string that a shell would take apart. */
const commandSchema = z.union([z.array(scalar).min(1), z.string().min(1)]);

/** `NAME: value`, or a list of `NAME=value`; no value takes the one of this environment. */
const environmentSchema = z.union([
  z
    .record(z.string(), scalar.nullable())
    .transform((map) => Object.entries(map).map(([name, value]) => (value === null ? name : `${name}=${value}`))),
  z.array(z.string().regex(/^[^=\s]+(=|$)/, { error: "expected NAME=value" })),
]);

const labelsSchema = z.union([
  z.record(
    z.string(),
    scalar.nullable().transform((value) => value ?? ""),
  ),
  z
    .array(z.string())
    .transform((list) =>
      Object.fromEntries(list.map((text) => [text.split("=", 1)[0] ?? "", text.split("=").slice(1).join("=")])),
    ),
]);

const portNumber = z
  .union([
    z.int(),
    z
      .string()
      .regex(/^\d{1,5}$/, { error: "expected one port number" })
      .transform(Number),
  ])
  .pipe(portSchema);
const longPort = z
  .strictObject({
    target: portNumber,
    published: portNumber,
    host_ip: z.ipv4().optional(),
    protocol: z.literal("tcp").optional(),
    mode: z.literal("host").optional(),
  })
  .transform(
    ({ target, published, host_ip }): PortText => ({
      hostAddress: host_ip ?? "0.0.0.0",
      hostPort: published,
      containerPort: target,
    }),
  );
const shortPort = textOf('[ADDRESS:]HOST-PORT:CONTAINER-PORT such as "8001:8000"', parsePort);
const portEntry = z.union([shortPort, longPort]);

const buildArgs = z.union([
  z.record(z.string(), scalar),
  z.array(z.string().regex(/=/, { error: "expected NAME=value" })).transform(pairs),
]);

function pairs(list: readonly string[]): Record<string, string> {
  return Object.fromEntries(list.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]));
}

const buildSchema = z.union([
  z.string().transform((context) => ({ context, dockerfile: undefined, args: {} })),
  z.strictObject({ context: z.string().default("."), dockerfile: z.string().optional(), args: buildArgs.default({}) }),
]);

const urlPath = z.string().regex(/^\//, { error: "expected a path that begins with /" });
const checkpointSchema = z.union([
  z.enum(["never", "ready"]).transform((when) => ({ when, path: undefined, warmup: [] })),
  z.strictObject({
    when: z.union([z.enum(["never", "ready", "healthy"]), z.strictObject({ log: z.string().min(1) })]).default("ready"),
    path: urlPath.optional(),
    warmup: z.array(urlPath).default([]),
  }),
]);

const thawSchema = z.strictObject({
  idle: durationSchema.optional(),
  ready_timeout: durationSchema.optional(),
  checkpoint: checkpointSchema.optional(),
  tier: z.enum(["auto", "disk", "template", "parked"]).optional(),
  reseed: z.boolean().optional(),
});

export const serviceSchema = z.strictObject({
  image: z.string().min(1).optional(),
  build: buildSchema.optional(),
  command: commandSchema.optional(),
  entrypoint: commandSchema.optional(),
  environment: environmentSchema.optional(),
  ports: z.array(portEntry).optional(),
  ...limitKeys,
  ...containerKeys,
  labels: labelsSchema.optional(),
  container_name: z.string().optional(),
  userns_mode: z
    .string()
    .refine((mode) => mode === "host", {
      error:
        'services keep the host\'s ids, for a checkpoint cannot be restored into a user namespace: expected "host"',
    })
    .optional(),
  "x-thaw": thawSchema.optional(),
});

export type ComposeService = z.output<typeof serviceSchema>;

export const fileSchema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9_-]*$/, { error: "expected lower-case letters, digits, '-' or '_'" })
    .optional(),
  version: z.unknown().optional(),
  volumes: topVolumesSchema.nullish(),
  services: z.record(
    z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, { error: "expected a service's name" }),
    z.unknown(),
  ),
});

/** Keys that the compose specification has and thaw does not do yet. */
export const NOT_YET: Readonly<Record<"file" | "service" | "build", readonly string[]>> = {
  file: ["networks", "configs", "secrets", "include", "models"],
  service: [
    ..."annotations attach blkio_config cgroup cgroup_parent configs cpu_count cpu_percent".split(" "),
    ..."cpu_rt_period cpu_rt_runtime credential_spec depends_on develop".split(" "),
    ..."device_cgroup_rules env_file expose extends external_links".split(" "),
    ..."gpus healthcheck isolation label_file links logging mac_address".split(" "),
    ..."mem_swappiness network_mode networks oom_kill_disable platform post_start".split(" "),
    ..."pre_stop profiles provider pull_policy restart runtime scale secrets".split(" "),
    ..."stdin_open stop_grace_period stop_signal storage_opt tty".split(" "),
    ..."volumes_from".split(" "),
  ],
  build: [
    "additional_contexts",
    "cache_from",
    "cache_to",
    "dockerfile_inline",
    "entitlements",
    "extra_hosts",
    "isolation",
    "labels",
    "network",
    "no_cache",
    "platforms",
    "privileged",
    "pull",
    "secrets",
    "shm_size",
    "ssh",
    "tags",
    "target",
    "ulimits",
  ],
};
