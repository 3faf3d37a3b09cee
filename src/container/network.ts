/**
 * Containers in their networks: the place that a start gets, what a row of an older version means, ports that are
 * left to be chosen, and changes of a container that is there.
 */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";
import { ThawError } from "../common/errors.ts";
import type { NetworkAttachment, NetworkChoice, Networks } from "../network/index.ts";
import { ALONE, type ContainerNetwork } from "./plans.ts";
import type { Container, ContainerSpec, PortBinding } from "./types.ts";

const SHORT_ID = 12;

/** Nothing but loopback. */
export const NO_NETWORK: NetworkChoice = { mode: "none", attachments: [] };

/** A spec as an older version of thaw may have written it, in today's words. */
export function readSpec(spec: ContainerSpec): ContainerSpec {
  const network: unknown = spec.network;
  const ports = spec.ports.map((port): PortBinding => ({ ...port, protocol: port.protocol ?? "tcp" }));
  if (network !== "none" && network !== "host") return { ...spec, ports };
  return { ...spec, ports, network: { mode: network, attachments: [] } };
}

/**
 * A container's place in its networks; `Networks.leave` gives it back.
 * @param from  a sandbox made ahead whose place becomes the container's. @throws ThawError as `Networks.join`.
 */
export async function joinNetworks(
  networks: Networks,
  { id, spec }: Container,
  from: string | undefined = undefined,
): Promise<ContainerNetwork> {
  const { mode, attachments } = spec.network;
  if (mode === "host") return { ...ALONE, sandbox: "host" };
  if (mode === "none" || attachments.length === 0) return ALONE;
  const servers = spec.isolation?.dns ?? [];
  const joined = await networks.join(id, { attachments, names: namesOf(id, spec), ports: spec.ports, servers, from });
  const addresses = joined.endpoints.flatMap(({ ip, ip6 }) => (ip6 === undefined ? [ip] : [ip, ip6]));
  const { before, after, endpoints: _, ...sandbox } = joined;
  return { sandbox: { ...sandbox, addresses }, before, after };
}

/** Names that others of a network look it up by, beside its aliases. */
export function namesOf(id: string, { name }: ContainerSpec): string[] {
  return [name, id.slice(0, SHORT_ID)];
}

/** @throws ThawError NETWORK_NOT_FOUND, INVALID for one that is named twice. */
export function checkNetworks(networks: Networks, { network, ports }: ContainerSpec): void {
  const ids = network.attachments.map((attachment) => networks.get(attachment.network).id);
  if (new Set(ids).size < ids.length) throw new ThawError("INVALID", "a network is named twice");
  if (network.mode === "bridge" && ids.length === 0 && ports.length > 0) {
    throw new ThawError("INVALID", "a container without a network cannot publish ports");
  }
}

/** Ports with a free one of the host where any will do. */
export async function choosePorts(ports: readonly PortBinding[]): Promise<PortBinding[]> {
  return Promise.all(
    ports.map(async (port) => (port.hostPort === 0 ? { ...port, hostPort: await freePort(port) } : port)),
  );
}

async function freePort({ hostAddress, protocol }: PortBinding): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const host = hostAddress || "0.0.0.0";
  const failed = (cause: Error) =>
    reject(new ThawError("INVALID", `no port of ${host} can be had: ${cause.message}`, { cause }));
  if (protocol === "udp") {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.once("error", failed).bind(0, host, () => {
      resolve(socket.address().port);
      socket.close();
    });
  } else {
    const server = createServer();
    server.once("error", failed).listen(0, host, () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
      server.close();
    });
  }
  return promise;
}

/** The spec of a container that is in one network more. @throws ThawError WRONG_STATE. */
export function withNetwork(spec: ContainerSpec, attachment: NetworkAttachment): ContainerSpec {
  if (spec.network.mode === "host") {
    throw new ThawError("WRONG_STATE", `${spec.name} is in the host's network and cannot be put into another one`);
  }
  return { ...spec, network: { mode: "bridge", attachments: [...spec.network.attachments, attachment] } };
}

/** The spec of a container that is in one network less. @throws ThawError WRONG_STATE when it is not in it. */
export function withoutNetwork(networks: Networks, spec: ContainerSpec, network: string): ContainerSpec {
  const { id, name } = networks.get(network);
  const left = spec.network.attachments.filter((attachment) => ![id, name].includes(attachment.network));
  if (left.length === spec.network.attachments.length) {
    throw new ThawError("WRONG_STATE", `${spec.name} is not in the network ${name}`);
  }
  return { ...spec, network: { ...spec.network, attachments: left } };
}
