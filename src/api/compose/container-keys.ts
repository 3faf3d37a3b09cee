/**
 * The keys of a compose service that say how its container is isolated and what it is shown. Each is checked by the
 * schema that the API has for the same thing, so that a mistake is told with its line in the file.
 */
import { z } from "zod";
import { VOLUME_NAME } from "../../volume/name.ts";
import { ISOLATION_CONFIG, ISOLATION_FIELDS } from "../isolation.ts";
import { parseDevice } from "../isolation-texts.ts";
import { PROPAGATIONS, parseBind } from "../mounts.ts";
import { parseSize } from "../texts.ts";
import { parseTmpfs } from "../tmpfs.ts";
import { textOf } from "./text.ts";

/** A check that `schema` would take the value, which is kept as it is written. */
function by(schema: z.ZodType) {
  return (value: unknown, context: z.RefinementCtx): void => {
    const issue = schema.safeParse(value).error?.issues[0];
    if (issue) context.addIssue({ code: "custom", message: lowerFirst(issue.message), path: issue.path, input: value });
  };
}

/** A value that `schema` takes, kept as it is written. */
function taken<S extends z.ZodType>(schema: S) {
  return z.custom<NonNullable<z.input<S>>>().superRefine(by(schema));
}

const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const listOrOne = z.union([z.string().transform((text) => [text]), z.array(z.string())]);
/** `name: value`, or a list of `name=value`. */
const pairs = z.union([
  z.record(z.string(), scalar),
  z
    .array(z.string().regex(/^[^=]+=/, { error: "expected NAME=VALUE" }))
    .transform((list) => Object.fromEntries(list.map((text) => splitAt(text, "=")))),
]);
const hosts = z.union([
  z.array(z.string()),
  z.record(z.string(), z.string()).transform((map) => Object.entries(map).map(([name, ip]) => `${name}:${ip}`)),
]);

const device = z.union([
  textOf("HOST[:CONTAINER[:rwm]]", parseDevice),
  z
    .strictObject({ source: z.string(), target: z.string().optional(), permissions: z.string().optional() })
    .transform(({ source, target, permissions }) => {
      return { PathOnHost: source, PathInContainer: target ?? source, CgroupPermissions: permissions ?? "rwm" };
    }),
]);

const ulimits = z
  .record(z.string(), z.union([z.int(), z.strictObject({ soft: z.int(), hard: z.int() })]))
  .transform((map) =>
    Object.entries(map).map(([Name, limit]) => {
      const { soft, hard } = typeof limit === "number" ? { soft: limit, hard: limit } : limit;
      return { Name, Soft: soft, Hard: hard };
    }),
  );

const tmpfsEntry = z.string().transform((text, context): [string, string] => {
  const [target, options] = text.includes(":") ? splitAt(text, ":") : [text, ""];
  const parsed = parseTmpfs(options);
  if (target.startsWith("/") && typeof parsed !== "string") return [target, options];
  context.addIssue({ code: "custom", message: typeof parsed === "string" ? parsed : "expected an absolute path" });
  return z.NEVER;
});

const shortVolume = z.string().transform((text, context) => {
  const [source, ...rest] = text.split(":");
  const path = /^[./~]/.test(source ?? "");
  if (text.startsWith("/") && rest.length === 0) return { anonymous: text };
  if (parseBind([path ? "/x" : source, ...rest].join(":")) !== undefined) return { bind: text };
  context.addIssue({ code: "custom", message: "expected SOURCE:TARGET[:ro], a volume's name or a path as the source" });
  return z.NEVER;
});

const longVolume = z
  .strictObject({
    type: z.enum(["bind", "volume", "tmpfs"]),
    source: z.string().optional(),
    target: z.string(),
    read_only: z.boolean().optional(),
    bind: z
      .strictObject({ propagation: z.enum(PROPAGATIONS).optional(), create_host_path: z.literal(false).optional() })
      .optional(),
    volume: z.strictObject({ nocopy: z.boolean().optional() }).optional(),
    tmpfs: z
      .strictObject({
        size: textOf("a size such as 64m", parseSize).optional(),
        mode: z.int().optional(),
      })
      .optional(),
  })
  .transform((mount) => ({ mount }));

/** The service's keys. */
export const containerKeys = {
  user: scalar.optional(),
  working_dir: z.string().regex(/^\//, { error: "expected an absolute path" }).optional(),
  hostname: z.string().optional(),
  domainname: taken(ISOLATION_CONFIG.Domainname).optional(),
  init: z.boolean().optional(),
  read_only: z.boolean().optional(),
  privileged: z.boolean().optional(),
  cap_add: taken(ISOLATION_FIELDS.CapAdd).optional(),
  cap_drop: taken(ISOLATION_FIELDS.CapDrop).optional(),
  security_opt: z.array(z.string()).optional(),
  group_add: z.array(scalar).superRefine(by(ISOLATION_FIELDS.GroupAdd)).optional(),
  devices: z.array(device).superRefine(by(ISOLATION_FIELDS.Devices)).optional(),
  shm_size: textOf("a size such as 64m", parseSize).optional(),
  dns: listOrOne.superRefine(by(ISOLATION_FIELDS.Dns)).optional(),
  dns_search: listOrOne.superRefine(by(ISOLATION_FIELDS.DnsSearch)).optional(),
  dns_opt: taken(ISOLATION_FIELDS.DnsOptions).optional(),
  extra_hosts: hosts.superRefine(by(ISOLATION_FIELDS.ExtraHosts)).optional(),
  ulimits: ulimits.superRefine(by(ISOLATION_FIELDS.Ulimits)).optional(),
  sysctls: pairs.superRefine(by(ISOLATION_FIELDS.Sysctls)).optional(),
  oom_score_adj: taken(ISOLATION_FIELDS.OomScoreAdj).optional(),
  ipc: taken(ISOLATION_FIELDS.IpcMode).optional(),
  pid: taken(ISOLATION_FIELDS.PidMode).optional(),
  uts: taken(ISOLATION_FIELDS.UTSMode).optional(),
  tmpfs: z.union([tmpfsEntry.transform((entry) => [entry]), z.array(tmpfsEntry)]).optional(),
  volumes: z.array(z.union([shortVolume, longVolume])).optional(),
} as const;

/** The file's `volumes:`. */
export const topVolumesSchema = z.record(
  z.string().regex(VOLUME_NAME, { error: "expected a volume's name" }),
  z
    .strictObject({
      name: z.string().regex(VOLUME_NAME, { error: "expected a volume's name" }).optional(),
      external: z.boolean().optional(),
      driver: z.literal("local").optional(),
      labels: pairs.optional(),
    })
    .nullable(),
);

/** The file's volumes by the names that services call them. */
export type TopVolumes = z.output<typeof topVolumesSchema>;

/** A service's keys as the schemas give them. */
export type ContainerKeys = {
  readonly [K in keyof typeof containerKeys]?: z.output<(typeof containerKeys)[K]>;
};

function splitAt(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return [text.slice(0, at), text.slice(at + 1)];
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
