/**
 * Containers on the wire, in the shapes of the Docker Engine API. `x-thaw` holds what Docker has no word for.
 */
import { z } from "zod";
import { filterValuesSchema, jsonText } from "./filters.ts";
import { hostConfigSchema } from "./host-config.ts";
import { ISOLATION_CONFIG } from "./isolation.ts";
import { volumeTargetsSchema } from "./mounts.ts";
import { networkingConfigSchema } from "./networks.ts";
import { unsupported } from "./validate.ts";
import { countSchema, flagSchema, nameSchema, pathSchema } from "./values.ts";

const envSchema = z.string().regex(/^[^=\0]+(=[^\0]*)?$/, { error: "expected NAME=value" });
const argvSchema = z.array(z.string().regex(/^[^\0]*$/));
/** Docker takes a string for a list of one. */
const commandSchema = z.union([z.string().transform((text) => [text]), argvSchema]).nullish();

/** Who a program runs as. */
export const userSchema = z
  .string()
  .regex(/^[a-zA-Z0-9_.-]*(:[a-zA-Z0-9_.-]+)?$/, { error: "expected user[:group], names or numbers" });
/** A container's name for itself. */
export const hostnameSchema = z
  .string()
  .regex(/^[a-zA-Z0-9.-]{0,63}$/, { error: "expected at most 63 letters, digits, '.' or '-'" });

/** Body of POST /containers/create. Either `Image`, or thaw's own `Rootfs`. */
export const createSchema = z
  .object({
    Image: z.string().nullish(),
    /** thaw's own: an absolute directory to be the (read-only lower part of the) root. */
    Rootfs: pathSchema.nullish(),
    /** thaw's own: a root that is the image's itself, read-only, without a writable layer. */
    Lean: z.boolean().nullish(),
    /** thaw's own: whether runtimes renew their random state after a restore; docs/identity.md says when by itself. */
    Reseed: z.boolean().nullish(),
    Cmd: commandSchema,
    Entrypoint: commandSchema,
    Env: z.array(envSchema).nullish(),
    WorkingDir: z.union([pathSchema, z.literal("")]).nullish(),
    User: userSchema.nullish(),
    Hostname: hostnameSchema.nullish(),
    Tty: z.boolean().nullish(),
    OpenStdin: z.boolean().nullish(),
    Labels: z.record(z.string(), z.string()).nullish(),
    HostConfig: hostConfigSchema.nullish(),
    Volumes: volumeTargetsSchema.nullish(),
    // How a client means to attach; attaching is what decides.
    AttachStdin: z.boolean().nullish(),
    AttachStdout: z.boolean().nullish(),
    AttachStderr: z.boolean().nullish(),
    StdinOnce: z.boolean().nullish(),
    // Documentation in Docker too: nothing is published by it.
    ExposedPorts: z.record(z.string(), z.unknown()).nullish(),
    NetworkingConfig: networkingConfigSchema.nullish(),
    ...ISOLATION_CONFIG,
  })
  .catchall(unsupported())
  .refine((body) => Boolean(body.Image) !== Boolean(body.Rootfs), { error: "expected either Image or Rootfs" });

export type CreateRequest = z.output<typeof createSchema>;
/** What a client writes. */
export type CreateInput = z.input<typeof createSchema>;

/** Answer to POST /containers/create. */
export interface CreateResponse {
  readonly Id: string;
  readonly Warnings: readonly string[];
}

/** Query of POST /containers/create. */
export const createQuerySchema = z.object({ name: nameSchema.optional() });

/** Query of POST /thaw/v1/run; see run.ts. */
export const runQuerySchema = createQuerySchema.extend({ detach: flagSchema });

const filtersSchema = z
  .strictObject({
    id: filterValuesSchema,
    name: filterValuesSchema,
    label: filterValuesSchema,
    status: filterValuesSchema,
    ancestor: filterValuesSchema,
  })
  .partial();

export type ContainerFilters = z.output<typeof filtersSchema>;

/** Query of GET /containers/json. */
export const listQuerySchema = z.object({
  all: flagSchema,
  limit: countSchema.optional(),
  size: flagSchema,
  filters: jsonText.pipe(filtersSchema).optional(),
});

export const stopQuerySchema = z.object({
  /** Seconds; -1: without end. */
  t: z.union([z.literal("-1").transform(() => Number.POSITIVE_INFINITY), countSchema]).optional(),
  signal: z.string().optional(),
});
export const killQuerySchema = z.object({ signal: z.string().default("KILL") });
export const waitQuerySchema = z.object({
  condition: z.enum(["not-running", "next-exit", "removed", ""]).default("not-running"),
});
const sideSchema = countSchema.pipe(z.int().min(0).max(65535));
export const resizeQuerySchema = z.object({ h: sideSchema, w: sideSchema });
export const removeQuerySchema = z.object({ force: flagSchema, v: flagSchema, link: flagSchema });
export const attachQuerySchema = z.object({
  stream: flagSchema,
  stdin: flagSchema,
  stdout: flagSchema,
  stderr: flagSchema,
  logs: flagSchema,
  detachKeys: z.string().optional(),
});

/** Seconds since the epoch, with a fraction if any. */
const timeSchema = z.string().regex(/^\d*(\.\d{1,9})?$/, { error: "expected seconds since the epoch" });
export const logsQuerySchema = z.object({
  stdout: flagSchema,
  stderr: flagSchema,
  follow: flagSchema,
  timestamps: flagSchema,
  tail: z.union([z.literal(["all", ""]).transform(() => undefined), countSchema]).optional(),
  since: timeSchema.optional(),
  until: timeSchema.optional(),
  details: flagSchema,
});

/** One row of GET /containers/json. */
export interface ContainerSummary {
  readonly Id: string;
  /** Each begins with "/". */
  readonly Names: readonly string[];
  readonly Image: string;
  readonly ImageID: string;
  readonly Command: string;
  /** Seconds since the epoch. */
  readonly Created: number;
  readonly Ports: readonly PortSummary[];
  readonly Labels: Readonly<Record<string, string>>;
  readonly State: string;
  readonly Status: string;
  readonly HostConfig: { readonly NetworkMode: string };
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, EndpointAnswer>> };
  readonly Mounts: readonly MountPoint[];
  readonly "x-thaw": ThawFacts;
}

export interface PortSummary {
  readonly IP: string;
  readonly PrivatePort: number;
  readonly PublicPort: number;
  readonly Type: "tcp" | "udp";
}

/** A container's place in one network; empty texts while it does not run. */
export interface EndpointAnswer {
  readonly IPAMConfig: { readonly IPv4Address?: string; readonly IPv6Address?: string } | null;
  readonly Links: null;
  readonly Aliases: readonly string[] | null;
  readonly MacAddress: string;
  readonly NetworkID: string;
  readonly EndpointID: string;
  readonly Gateway: string;
  readonly IPAddress: string;
  readonly IPPrefixLen: number;
  readonly IPv6Gateway: string;
  readonly GlobalIPv6Address: string;
  readonly GlobalIPv6PrefixLen: number;
  readonly DriverOpts: null;
  readonly DNSNames: readonly string[] | null;
}

export interface MountPoint {
  readonly Type: "bind" | "volume" | "tmpfs";
  /** A volume's name. */
  readonly Name?: string;
  readonly Driver?: "local";
  readonly Source: string;
  readonly Destination: string;
  readonly Mode: string;
  readonly RW: boolean;
  readonly Propagation: string;
}

/** What Docker has no word for. */
export interface ThawFacts {
  readonly Rootfs: string | null;
  /** The checkpoint it was restored from. */
  readonly RestoredFrom: string | null;
  /** The service it is the instance of. */
  readonly Service: string | null;
}

/** Answer to GET /containers/{id}/json. Times are RFC 3339; year 1 means "not yet". */
export interface ContainerDetails {
  readonly Id: string;
  readonly Created: string;
  readonly Path: string;
  readonly Args: readonly string[];
  readonly State: ContainerStateDetails;
  readonly Image: string;
  readonly Name: string;
  readonly RestartCount: number;
  readonly Driver: string;
  readonly Platform: string;
  readonly Mounts: readonly MountPoint[];
  readonly Config: ContainerConfig;
  readonly HostConfig: Readonly<Record<string, unknown>>;
  readonly NetworkSettings: Readonly<Record<string, unknown>>;
  readonly "x-thaw": ThawFacts;
}

export interface ContainerConfig {
  readonly Hostname: string;
  readonly Domainname: string;
  readonly User: string;
  readonly Tty: boolean;
  readonly OpenStdin: boolean;
  readonly Env: readonly string[];
  readonly Cmd: readonly string[];
  readonly Entrypoint: null;
  readonly Image: string;
  readonly WorkingDir: string;
  readonly Labels: Readonly<Record<string, string>>;
  readonly StopSignal: string;
  /** Seconds. */
  readonly StopTimeout?: number;
}

export interface ContainerStateDetails {
  readonly Status: string;
  readonly Running: boolean;
  readonly Paused: boolean;
  readonly Restarting: boolean;
  readonly OOMKilled: boolean;
  readonly Dead: boolean;
  readonly Pid: number;
  readonly ExitCode: number;
  readonly Error: string;
  readonly StartedAt: string;
  readonly FinishedAt: string;
}

/** Answer to POST /containers/{id}/wait. */
export interface WaitResponse {
  readonly StatusCode: number;
  readonly Error?: { readonly Message: string };
  /** What there is to say beside the exit code. */
  readonly "x-thaw"?: { readonly Note: string };
}
