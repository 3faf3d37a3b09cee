/** Networks, and containers in them, in the shapes of the Docker Engine API. */
import { createHash } from "node:crypto";
import type { EndpointAnswer } from "../api/containers.ts";
import type { NetworkAnswer } from "../api/networks.ts";
import type { Container, ContainerManager, ContainerSpec } from "../container/types.ts";
import type { Endpoint, Network, NetworkAttachment, NetworkManager } from "../network/index.ts";

const MTU = "com.docker.network.driver.mtu";
/** Networks that are none: Docker lists them all the same. */
const BUILT_IN = { host: "host", none: "null" } as const;

type PortMap = Record<string, { HostIp: string; HostPort: string }[]>;

/** HostConfig.NetworkMode. */
export function networkMode({ network }: ContainerSpec): string {
  return network.mode === "bridge" ? (network.attachments[0]?.network ?? "none") : network.mode;
}

/** NetworkSettings of a container. The single fields repeat the first network, as Docker's do. */
export function networkSettings(networks: NetworkManager, container: Container): Readonly<Record<string, unknown>> {
  const all = networksOf(networks, container);
  const first = Object.values(all)[0];
  return {
    Bridge: "",
    SandboxID: container.state === "running" ? container.id : "",
    Ports: portMap(container.spec),
    Gateway: first?.Gateway ?? "",
    IPAddress: first?.IPAddress ?? "",
    IPPrefixLen: first?.IPPrefixLen ?? 0,
    IPv6Gateway: first?.IPv6Gateway ?? "",
    GlobalIPv6Address: first?.GlobalIPv6Address ?? "",
    GlobalIPv6PrefixLen: first?.GlobalIPv6PrefixLen ?? 0,
    MacAddress: first?.MacAddress ?? "",
    Networks: all,
  };
}

/** By the network's name. */
export function networksOf(networks: NetworkManager, { id, spec }: Container): Record<string, EndpointAnswer> {
  const endpoints = networks.endpointsOf(id);
  return Object.fromEntries(
    spec.network.attachments.map((attachment) => {
      const network = find(networks, attachment.network);
      const endpoint = endpoints.find(({ networkId }) => networkId === network?.id);
      return [network?.name ?? attachment.network, endpointAnswer(attachment, network, endpoint)];
    }),
  );
}

function endpointAnswer(
  { aliases, ip, ip6 }: NetworkAttachment,
  network: Network | undefined,
  endpoint: Endpoint | undefined,
): EndpointAnswer {
  const asked = {
    ...(ip === undefined ? {} : { IPv4Address: ip }),
    ...(ip6 === undefined ? {} : { IPv6Address: ip6 }),
  };
  const up = endpoint && network;
  const up6 = up && endpoint.ip6 !== undefined ? network.subnet6 : undefined;
  return {
    IPAMConfig: ip === undefined && ip6 === undefined ? null : asked,
    Links: null,
    Aliases: aliases.length === 0 ? null : aliases,
    MacAddress: endpoint?.mac ?? "",
    NetworkID: network?.id ?? "",
    EndpointID: up ? endpointId(endpoint) : "",
    Gateway: up && !network.internal ? network.subnet.gateway : "",
    IPAddress: endpoint?.ip ?? "",
    IPPrefixLen: up ? prefixOf(network.subnet.cidr) : 0,
    IPv6Gateway: up6?.gateway ?? "",
    GlobalIPv6Address: endpoint?.ip6 ?? "",
    GlobalIPv6PrefixLen: up6 ? prefixOf(up6.cidr) : 0,
    DriverOpts: null,
    DNSNames: endpoint && endpoint.names.length > 0 ? endpoint.names : null,
  };
}

/** { "80/tcp": [{ HostIp, HostPort }] }. */
export function portMap({ ports }: ContainerSpec): PortMap {
  const map: PortMap = {};
  for (const { hostAddress, hostPort, containerPort, protocol } of ports) {
    const key = `${containerPort}/${protocol}`;
    map[key] = [...(map[key] ?? []), { HostIp: hostAddress, HostPort: String(hostPort) }];
  }
  return map;
}

/** One network with the containers that are in it now. */
export function networkAnswer(networks: NetworkManager, containers: ContainerManager, network: Network): NetworkAnswer {
  const { subnet, subnet6, mtu, labels, internal, name, id } = network;
  const rows = new Map(containers.list({ all: true }).map((container) => [container.id, container]));
  const inIt = networks.endpointsIn(network).map((endpoint) => {
    const { owner, mac, ip, ip6 } = endpoint;
    const answer = {
      Name: rows.get(owner)?.spec.name ?? owner,
      EndpointID: endpointId(endpoint),
      MacAddress: mac,
      IPv4Address: `${ip}/${prefixOf(subnet.cidr)}`,
      IPv6Address: ip6 === undefined || !subnet6 ? "" : `${ip6}/${prefixOf(subnet6.cidr)}`,
    };
    return [owner, answer] as const;
  });
  return {
    ...answerOf(name, id, "bridge"),
    Created: new Date(network.createdAt).toISOString(),
    EnableIPv6: subnet6 !== undefined,
    IPAM: {
      Driver: "default",
      Options: null,
      Config: [subnet, ...(subnet6 ? [subnet6] : [])].map(({ cidr, gateway }) => ({ Subnet: cidr, Gateway: gateway })),
    },
    Internal: internal,
    Containers: Object.fromEntries(inIt),
    Options: { [MTU]: String(mtu) },
    Labels: labels,
  };
}

/** `host` and `none`. */
export function builtInNetworks(): NetworkAnswer[] {
  return Object.entries(BUILT_IN).map(([name, driver]) => answerOf(name, digest(name), driver));
}

function answerOf(name: string, id: string, driver: string): NetworkAnswer {
  return {
    Name: name,
    Id: id,
    Created: new Date(0).toISOString(),
    Scope: "local",
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: "default", Options: null, Config: [] },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: "" },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  };
}

function find(networks: NetworkManager, nameOrId: string): Network | undefined {
  return networks.list().find(({ id, name }) => name === nameOrId || id === nameOrId);
}

function endpointId({ networkId, owner }: Endpoint): string {
  return digest(`${networkId} ${owner}`);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

function prefixOf(cidr: string): number {
  return Number(cidr.split("/")[1]);
}
