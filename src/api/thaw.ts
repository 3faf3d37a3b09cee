/**
 * thaw's own part of the API, under /thaw/v1: checkpoints, services and the daemon itself. Requests have
 * schemas; answers are the managers' own types, which are plain data.
 */
import { z } from "zod";
import type { CheckpointInfo } from "../checkpoint/types.ts";
import type { Service } from "../service/types.ts";
import { hostnameSchema, userSchema } from "./containers.ts";
import type { ErrorBody } from "./errors.ts";
import { ISOLATION_CONFIG, ISOLATION_FIELDS } from "./isolation.ts";
import { bindSchema, mountsSchema } from "./mounts.ts";
import { tmpfsSchema } from "./tmpfs.ts";
import { flagSchema, nameSchema, pathSchema, portSchema } from "./values.ts";

/** Names and values, as of build arguments and labels. */
export const argSchema = z.record(
  z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, { error: "expected a variable's name" }),
  z.string(),
);

const durationSchema = z.int().min(0).max(86_400_000);

/** Body of POST /thaw/v1/checkpoints. */
export const checkpointCreateSchema = z.strictObject({
  container: z.string(),
  name: nameSchema,
  leaveRunning: z.boolean().default(false),
  /** What becomes of established TCP connections; only those within the container can be kept. */
  connections: z.enum(["close", "keep"]).default("close"),
  /** What to wait for; the answer comes when the checkpoint is made. */
  when: z
    .discriminatedUnion("when", [
      z.strictObject({ when: z.literal("now") }),
      z.strictObject({ when: z.literal("healthy"), path: z.string().startsWith("/") }),
      z.strictObject({ when: z.literal("log"), pattern: z.string().min(1).max(1000) }),
      z.strictObject({ when: z.literal("requests"), count: z.int().min(1).max(1_000_000_000) }),
    ])
    .default({ when: "now" }),
  /** HTTP paths to request before the dump. */
  warm: z.array(z.string().startsWith("/")).max(100).default([]),
  /** Where HTTP is spoken in the container; its first published TCP port when not given. */
  port: portSchema.optional(),
  /** For waiting and warming up; without it there is no limit. */
  timeoutMs: durationSchema.min(1).optional(),
});
export type CheckpointCreateRequest = z.input<typeof checkpointCreateSchema>;

/** Body of POST /thaw/v1/checkpoints/{name}/restore. The answer is a container's details. */
export const restoreSchema = z.strictObject({
  containerName: nameSchema.optional(),
  tier: z.enum(["disk", "template"]).default("disk"),
});

/** Body of POST /thaw/v1/checkpoints/{name}/export: a file of the daemon's machine that does not exist yet. */
export const checkpointExportSchema = z.strictObject({ file: pathSchema });

/** Answer to it. */
export interface CheckpointExportAnswer {
  /** Bytes of the file. */
  readonly size: number;
  /** Hexadecimal. */
  readonly sha256: string;
}

/** Body of POST /thaw/v1/checkpoints/import. The answer is the checkpoint. */
export const checkpointImportSchema = z.strictObject({
  file: pathSchema,
  name: nameSchema.optional(),
  /** Take it although its container reaches for more of the machine than others do. */
  trust: z.boolean().default(false),
  /** The image of a container of podman's, when it has another name here. */
  image: z.string().min(1).max(512).optional(),
  /** What the file must be, hexadecimal. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, { error: "expected 64 lower-case hexadecimal digits" })
    .optional(),
});

export type CheckpointAnswer = CheckpointInfo;

const limitSchema = z.number().min(0).optional();

const orNoneSchema = z.int().min(-1).optional();
/** A container's limits by the names of its spec; undefined is no limit. */
const serviceLimitsSchema = z.strictObject({
  memory: limitSchema,
  nanoCpus: limitSchema,
  pids: limitSchema,
  memorySwap: orNoneSchema,
  memoryReservation: limitSchema,
  cpuPeriod: limitSchema,
  cpuQuota: orNoneSchema,
  cpuShares: limitSchema,
  cpusetCpus: z.string().optional(),
});

/** What a service's containers are beyond its image, in the words of POST /containers/create. */
export const serviceContainerSchema = z.strictObject({
  User: userSchema.optional(),
  WorkingDir: pathSchema.optional(),
  Hostname: hostnameSchema.optional(),
  Domainname: ISOLATION_CONFIG.Domainname,
  HostConfig: z
    .strictObject({
      ...ISOLATION_FIELDS,
      Init: z.boolean(),
      Tmpfs: tmpfsSchema,
      Binds: z.array(bindSchema),
      Mounts: mountsSchema,
    })
    .partial()
    .optional(),
});
export type ServiceContainerRequest = z.output<typeof serviceContainerSchema>;
export type ServiceContainerInput = z.input<typeof serviceContainerSchema>;

/** When to make a service's checkpoint. */
export const checkpointWhenSchema = z.discriminatedUnion("when", [
  z.strictObject({ when: z.literal("ready") }),
  z.strictObject({ when: z.literal("healthy"), path: z.string().startsWith("/") }),
  z.strictObject({ when: z.literal("log"), pattern: z.string().min(1) }),
  z.strictObject({ when: z.literal("never") }),
]);

/** One service of a compose project with everything resolved: the image exists, numbers are numbers. */
export const serviceUpSchema = z.strictObject({
  project: nameSchema,
  name: nameSchema,
  image: z.string().min(1),
  entrypoint: z.array(z.string()).optional(),
  command: z.array(z.string()).optional(),
  env: z.array(z.string()).default([]),
  ports: z.array(z.strictObject({ hostAddress: z.ipv4(), hostPort: portSchema, containerPort: portSchema })).min(1),
  idleMs: durationSchema.default(2000),
  readyTimeoutMs: durationSchema.default(60_000),
  checkpoint: checkpointWhenSchema.default({ when: "ready" }),
  warmup: z.array(z.string().startsWith("/")).default([]),
  limits: serviceLimitsSchema.default({}),
  tier: z.enum(["auto", "disk", "template", "parked"]).optional(),
  /** Missing: those of the known runtimes that its image has. */
  reseed: z.boolean().optional(),
  container: serviceContainerSchema.optional(),
});

export type ServiceUpRequest = z.output<typeof serviceUpSchema>;
export type ServiceUpInput = z.input<typeof serviceUpSchema>;
export type ServiceAnswer = Service;

/** Answer to DELETE /thaw/v1/projects/{project}. */
export interface DownAnswer {
  /** Services. */
  readonly removed: number;
  /** Names of the volumes that were removed, too. */
  readonly volumes: readonly string[];
}

/** Query of DELETE /thaw/v1/projects/{project}. */
export const downQuerySchema = z.object({ volumes: flagSchema });

export const daemonStopSchema = z.strictObject({ force: z.boolean().default(false) });

/** Answer to GET /thaw/v1/daemon. */
export interface DaemonStatus {
  readonly version: string;
  readonly pid: number;
  /** RFC 3339. */
  readonly startedAt: string;
  readonly containersRunning: number;
  readonly services: number;
  readonly dataDirectory: string;
  readonly runDirectory: string;
  /** When asked for. */
  readonly memory?: DaemonMemory;
}

/** What the daemon holds after it has let go of all that it can. */
export interface DaemonMemory {
  readonly rssBytes: number;
  /** Of JavaScript objects. */
  readonly heapBytes: number;
  readonly objects: number;
}

/** Query of GET /thaw/v1/daemon. */
export const daemonStatusQuerySchema = z.object({ memory: flagSchema });

/** A line of a progress stream: steps as they come, then one result or one error. */
export type ProgressLine<Result> =
  | { readonly progress: string }
  | { readonly result: Result }
  | { readonly error: ErrorBody };
