/**
 * Docker's HostConfig as thaw takes it: what is done is typed; what Docker's clients always send is accepted as
 * long as it asks for nothing; what asks for something that thaw does not do is refused by name. Unknown
 * fields are treated the same way, so that a newer client's empty fields do no harm.
 */
import { z } from "zod";
import { ISOLATION_FIELDS } from "./isolation.ts";
import { deviceRateFields, limitFields } from "./limits.ts";
import { bindSchema, mountsSchema, volumesFromSchema } from "./mounts.ts";
import { tmpfsSchema } from "./tmpfs.ts";
import { unsupported } from "./validate.ts";
import { portSchema } from "./values.ts";

/** { "80/tcp": [{ HostIp, HostPort }] }. A host port that is 0 or nothing is any that is free. */
const portBindingsSchema = z
  .record(
    z.string().regex(/^\d{1,5}(\/(tcp|udp))?$/, { error: "expected a container port like 80/tcp or 53/udp" }),
    z
      .array(
        z.object({
          HostIp: z.union([z.ipv4(), z.ipv6(), z.literal("")]).optional(),
          HostPort: z
            .string()
            .regex(/^\d{0,5}$/)
            .optional(),
        }),
      )
      .nullable(),
  )
  .transform((bindings, context) => {
    const flat = Object.entries(bindings).flatMap(([port, hosts]) =>
      (hosts ?? []).map((host) => ({
        hostAddress: host.HostIp || "0.0.0.0",
        hostPort: Number(host.HostPort || 0),
        containerPort: Number(port.split("/")[0]),
        protocol: port.endsWith("/udp") ? ("udp" as const) : ("tcp" as const),
      })),
    );
    for (const { hostPort, containerPort } of flat) {
      if ((hostPort === 0 || portSchema.safeParse(hostPort).success) && portSchema.safeParse(containerPort).success)
        continue;
      context.addIssue({ code: "custom", message: "expected ports from 1 to 65535" });
      return z.NEVER;
    }
    return flat;
  });

/** Defaults that Docker's command line sends although nobody asked. */
const SENT_BY_DEFAULT = {
  RestartPolicy: z
    .object({ Name: unsupported("no"), MaximumRetryCount: unsupported() })
    .partial()
    .nullish(),
  LogConfig: z
    .object({ Type: unsupported("json-file"), Config: unsupported() })
    .partial()
    .nullish(),
  CgroupnsMode: unsupported("private", "host"),
  Cgroup: unsupported(),
  CgroupParent: unsupported(),
  Isolation: unsupported("default"),
  ConsoleSize: z.unknown().optional(),
  MemorySwappiness: unsupported(-1),
  Runtime: unsupported("runc", "thaw"),
} as const;

/** HostConfig of POST /containers/create. */
export const hostConfigSchema = z
  .object({
    ...SENT_BY_DEFAULT,
    ...ISOLATION_FIELDS,
    Tmpfs: tmpfsSchema.nullish(),
    ...limitFields,
    ...deviceRateFields,
    Binds: z.array(bindSchema).nullish(),
    Mounts: mountsSchema.nullish(),
    VolumesFrom: z.array(volumesFromSchema).nullish(),
    VolumeDriver: unsupported("local"),
    PortBindings: portBindingsSchema.nullish(),
    /** none, host, the name or id of a network; default, bridge and nothing mean the default network. */
    NetworkMode: z
      .string()
      .refine((mode) => !mode.startsWith("container:"), {
        error: "thaw does not share networks of containers: expected none, host or a network",
        params: { unsupported: true },
      })
      .nullish(),
    AutoRemove: z.boolean().nullish(),
    Init: z.boolean().nullish(),
    // Empty and "host" are no user namespace.
    UsernsMode: z.enum(["", "host", "auto"], { error: 'expected "auto" or "host"' }).nullish(),
  })
  .catchall(unsupported());

export type HostConfig = z.output<typeof hostConfigSchema>;
/** What a client writes into HostConfig. */
export type HostConfigInput = z.input<typeof hostConfigSchema>;
