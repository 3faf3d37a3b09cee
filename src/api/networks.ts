/** Networks on the wire, in the shapes of the Docker Engine API. */
import { z } from "zod";
import { unsupported } from "./validate.ts";
import { nameSchema } from "./values.ts";

const emptyText = z.literal("").transform(() => undefined);
const ipv4Schema = z.union([emptyText, z.ipv4()]).nullish();
const ipv6Schema = z.union([emptyText, z.ipv6()]).nullish();
const labelsSchema = z.record(z.string(), z.string()).nullish();

/** A name by which others of the network find a container. */
export const aliasSchema = z.string().regex(/^[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,62})$/, {
  error: "expected a name of up to 63 letters, digits, '_', '.' or '-'",
});

/** How a container is in one network. */
export const endpointConfigSchema = z
  .object({
    IPAMConfig: z
      .object({ IPv4Address: ipv4Schema, IPv6Address: ipv6Schema, LinkLocalIPs: unsupported() })
      .partial()
      .nullish(),
    Aliases: z.array(aliasSchema).nullish(),
    MacAddress: z.union([emptyText, z.string().regex(/^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/)]).nullish(),
    Links: unsupported(),
    DriverOpts: unsupported(),
    // What an answer holds: clients send it back.
    NetworkID: z.string().nullish(),
    EndpointID: z.string().nullish(),
    Gateway: z.string().nullish(),
    IPAddress: z.string().nullish(),
    IPPrefixLen: z.int().nullish(),
    IPv6Gateway: z.string().nullish(),
    GlobalIPv6Address: z.string().nullish(),
    GlobalIPv6PrefixLen: z.int().nullish(),
    DNSNames: z.array(z.string()).nullish(),
    GwPriority: unsupported(),
  })
  .catchall(unsupported());

export type EndpointConfig = z.output<typeof endpointConfigSchema>;

/** NetworkingConfig of POST /containers/create: by a network's name or id. */
export const networkingConfigSchema = z
  .object({ EndpointsConfig: z.record(z.string(), endpointConfigSchema.nullable()).nullish() })
  .catchall(unsupported());

const subnetSchema = z.object({
  Subnet: z.union([emptyText, z.cidrv4(), z.cidrv6()]).nullish(),
  Gateway: z.union([emptyText, z.ipv4(), z.ipv6()]).nullish(),
  IPRange: unsupported(),
  AuxiliaryAddresses: unsupported(),
});

/** Options of Docker's bridge driver that mean something here, and those that change nothing. */
const OPTIONS = {
  "com.docker.network.driver.mtu": z.string().regex(/^\d{1,5}$/, { error: "expected a number of bytes" }),
  "com.docker.network.enable_ipv6": z.enum(["true", "false"]),
  "com.docker.network.enable_ipv4": z.literal("true"),
  "com.docker.network.bridge.enable_icc": z.literal("true"),
  "com.docker.network.bridge.enable_ip_masquerade": z.literal("true"),
} as const;

/** Body of POST /networks/create. */
export const networkCreateSchema = z
  .object({
    Name: nameSchema,
    Driver: z.union([z.literal(["", "bridge", "default"]), unsupported()]),
    Internal: z.boolean().nullish(),
    EnableIPv6: z.boolean().nullish(),
    EnableIPv4: unsupported(true),
    IPAM: z
      .object({
        Driver: unsupported("default"),
        Options: unsupported(),
        Config: z.array(subnetSchema).nullish(),
      })
      .partial()
      .nullish(),
    Options: z.object(OPTIONS).partial().catchall(unsupported()).nullish(),
    Labels: labelsSchema,
    CheckDuplicate: z.boolean().nullish(),
    // Means something only to a swarm.
    Attachable: z.boolean().nullish(),
    Scope: unsupported("local"),
    Ingress: unsupported(),
    ConfigOnly: unsupported(),
    ConfigFrom: unsupported(),
  })
  .catchall(unsupported());

export type NetworkCreateRequest = z.output<typeof networkCreateSchema>;
/** What a client writes. */
export type NetworkCreateInput = z.input<typeof networkCreateSchema>;

export interface NetworkCreateResponse {
  readonly Id: string;
  readonly Warning: string;
}

/** Body of POST /networks/{id}/connect. */
export const networkConnectSchema = z.object({ Container: z.string(), EndpointConfig: endpointConfigSchema.nullish() });

/** Body of POST /networks/{id}/disconnect. */
export const networkDisconnectSchema = z.object({ Container: z.string(), Force: z.boolean().nullish() });

/** A network as it is listed and inspected. */
export interface NetworkAnswer {
  readonly Name: string;
  readonly Id: string;
  readonly Created: string;
  readonly Scope: "local";
  readonly Driver: string;
  readonly EnableIPv4: boolean;
  readonly EnableIPv6: boolean;
  readonly IPAM: {
    readonly Driver: "default";
    readonly Options: null;
    readonly Config: readonly { readonly Subnet: string; readonly Gateway: string }[];
  };
  readonly Internal: boolean;
  readonly Attachable: boolean;
  readonly Ingress: boolean;
  readonly ConfigFrom: { readonly Network: "" };
  readonly ConfigOnly: boolean;
  /** By container id. */
  readonly Containers: Readonly<Record<string, NetworkContainer>>;
  readonly Options: Readonly<Record<string, string>>;
  readonly Labels: Readonly<Record<string, string>>;
}

/** A container in a network; addresses with their prefix. */
export interface NetworkContainer {
  readonly Name: string;
  readonly EndpointID: string;
  readonly MacAddress: string;
  readonly IPv4Address: string;
  readonly IPv6Address: string;
}
