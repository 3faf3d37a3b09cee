/**
 * Fields of Docker's container configuration that say how a container is isolated, each with the form that Docker's
 * clients send. The output of a schema is what the daemon works with.
 */

import { isIP } from "node:net";
import { z } from "zod";
import { entryOf } from "../common/table.ts";
import { capabilityName } from "../sandbox/capabilities.ts";
import { ULIMIT_NAMES } from "../sandbox/ulimits.ts";
import { pathSchema } from "./values.ts";

const word = z.string().regex(/^[^\s\0]{1,255}$/, { error: "expected a word without spaces" });
const domainSchema = z
  .string()
  .regex(/^([a-zA-Z0-9_-]{1,63}(\.[a-zA-Z0-9_-]{1,63})*\.?|\.)?$/, { error: "expected a domain name" })
  .max(255);

/** Names with or without CAP_, in any case, or ALL; the output is without and in capitals. */
const capabilitySchema = z.string().transform((text, context) => {
  const name = capabilityName(text);
  if (name !== undefined) return name;
  context.addIssue({ code: "custom", message: "expected a capability such as NET_ADMIN, or ALL" });
  return z.NEVER;
});

/** { Name: "nofile", Soft: 1024, Hard: 2048 }; -1 is unlimited. */
const ulimitSchema = z
  .strictObject({ Name: z.enum(ULIMIT_NAMES), Soft: z.int().min(-1), Hard: z.int().min(-1) })
  .refine(({ Soft, Hard }) => Hard === -1 || (Soft !== -1 && Soft <= Hard), {
    error: "expected a soft limit that is not above the hard one",
  })
  .transform(({ Name, Soft, Hard }) => ({ name: Name, soft: Soft, hard: Hard }));

const deviceSchema = z
  .strictObject({
    PathOnHost: pathSchema,
    PathInContainer: z.union([pathSchema, z.literal("")]).nullish(),
    CgroupPermissions: z
      .string()
      .regex(/^(?!.*(.).*\1)[rwm]{0,3}$/, { error: "expected some of r, w and m" })
      .nullish(),
  })
  .transform(({ PathOnHost, PathInContainer, CgroupPermissions }) => ({
    source: PathOnHost,
    target: PathInContainer || PathOnHost,
    access: CgroupPermissions || "rwm",
  }));

/** "name:address"; the address may be host-gateway. "name=address", too. */
const hostSchema = z.string().transform((text, context) => {
  const [, name = "", address = ""] = /^([a-zA-Z0-9_.-]{1,253})[:=](.+)$/.exec(text) ?? [];
  const plain = address.replace(/^\[(.*)\]$/, "$1");
  if (name !== "" && (plain === "host-gateway" || isIP(plain) !== 0)) return `${name}:${plain}`;
  context.addIssue({ code: "custom", message: "expected NAME:ADDRESS, the address an IP or host-gateway" });
  return z.NEVER;
});

const sysctlsSchema = z.record(
  z.string().regex(/^[a-z][A-Za-z0-9_-]*([./][A-Za-z0-9_-]+)+$/, { error: "expected a name like net.core.somaxconn" }),
  z.string().regex(/^[^\0]{0,4096}$/),
);

const groupSchema = z.string().regex(/^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$/, { error: "expected a group's name or number" });

/** "host" or nothing of its own; what else Docker knows is refused by name. */
function namespaceSchema(...own: readonly string[]) {
  return z
    .string()
    .refine((mode) => mode === "" || mode === "host" || own.includes(mode), {
      error: `thaw does not share namespaces between containers: expected ${[...own, "host"].join(" or ")}`,
      params: { unsupported: true },
    })
    .transform((mode) => mode === "host")
    .nullish();
}

/** What security options ask for. */
export interface SecurityWishes {
  readonly noNewPrivileges?: boolean;
  /** "unconfined" or the text of a profile. */
  readonly seccomp?: string;
}

const FLAG: Readonly<Record<string, boolean>> = { "": true, true: true, false: false };

function securityOption(text: string): SecurityWishes | undefined {
  const [, name = "", value = ""] = /^([a-z-]+)[=:]?(.*)$/s.exec(text) ?? [];
  const flag = entryOf(FLAG, value);
  if (name === "no-new-privileges" && flag !== undefined) return { noNewPrivileges: flag };
  if (name === "seccomp" && value !== "") return { seccomp: value };
  // Ways to ask for less than thaw does in any case.
  if (["apparmor=unconfined", "apparmor:unconfined", "label=disable", "label:disable"].includes(text)) return {};
  return undefined;
}

const securitySchema = z.array(z.string()).transform((texts, context): SecurityWishes => {
  let wishes: SecurityWishes = {};
  for (const text of texts) {
    const wish = securityOption(text);
    if (wish === undefined) {
      const known = "no-new-privileges[=true|false] or seccomp=PROFILE|unconfined";
      const params = { unsupported: true };
      context.addIssue({ code: "custom", message: `thaw knows only ${known}`, input: text, params });
      return z.NEVER;
    }
    wishes = { ...wishes, ...wish };
  }
  return wishes;
});

/** Fields of HostConfig. */
export const ISOLATION_FIELDS = {
  ReadonlyRootfs: z.boolean().nullish(),
  Privileged: z.boolean().nullish(),
  Devices: z.array(deviceSchema).nullish(),
  /** 0: the default. */
  ShmSize: z.int().min(0).nullish(),
  Dns: z.array(z.union([z.ipv4(), z.ipv6()])).nullish(),
  DnsSearch: z.array(domainSchema).nullish(),
  DnsOptions: z.array(word).nullish(),
  ExtraHosts: z.array(hostSchema).nullish(),
  Ulimits: z.array(ulimitSchema).nullish(),
  Sysctls: sysctlsSchema.nullish(),
  GroupAdd: z.array(groupSchema).nullish(),
  CapAdd: z.array(capabilitySchema).nullish(),
  CapDrop: z.array(capabilitySchema).nullish(),
  SecurityOpt: securitySchema.nullish(),
  /** Null: the usual ones. An empty list asks for something: that nothing be hidden. */
  MaskedPaths: z.array(pathSchema).nullish(),
  ReadonlyPaths: z.array(pathSchema).nullish(),
  /** 0: the default. */
  OomScoreAdj: z.int().min(-1000).max(1000).nullish(),
  IpcMode: namespaceSchema("private", "shareable"),
  PidMode: namespaceSchema(),
  UTSMode: namespaceSchema(),
} as const;

/** Fields of the configuration itself. */
export const ISOLATION_CONFIG = {
  Domainname: domainSchema.nullish(),
  /** A name or a number; "": the image's. */
  StopSignal: z.string().nullish(),
  /** Seconds; -1: without end. */
  StopTimeout: z.int().min(-1).nullish(),
} as const;
