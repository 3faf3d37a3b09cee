/**
 * Published ports as operations and as elements of the table's maps. The port of the host is bound for as long as the
 * container lives, so that nobody else takes it; packets never get as far as that socket, because the map's element
 * sends them on.
 */
import { isIPv6 } from "node:net";
import type { HostOp } from "../launcher/generated/protocol.ts";
import { addressBytes } from "./address.ts";
import { addElements, concatenation, deleteElements, type MapElement, portBytes } from "./netlink/elements.ts";
import { forgetDatagrams } from "./netlink/flows.ts";
import { batch, Family } from "./netlink/message.ts";
import type { Endpoint, PublishedPort } from "./types.ts";

const PROTOCOLS = { tcp: 6, udp: 17 } as const;
const ENOENT = 2;
/** A kernel without this kind of message does without. */
const ANY_ERROR = 0xffffffff;
const ANY = ["", "0.0.0.0", "::"];

/** The operations around a container that publishes ports. */
export interface PublishOps {
  /** Before the container starts: binds the ports, or fails with EADDRINUSE, then passes them on. */
  readonly before: readonly HostOp[];
  /** Belongs to its clean-up. Missing elements are fine. */
  readonly after: readonly HostOp[];
}

/** @param table  name of the daemon's table. */
export function publishOps(table: string, ports: readonly PublishedPort[], endpoint: Endpoint): PublishOps {
  const elements = ports.flatMap((port) => elementOf(table, port, endpoint));
  const send = (messages: ReturnType<typeof addElements>, ignore: number): HostOp => {
    return { kind: "netlink", family: Family.netfilter, ignore, batch: batch(messages) };
  };
  const holds = ports.map((port): HostOp => {
    const address = port.hostAddress || "0.0.0.0";
    return { kind: "port_hold", protocol: PROTOCOLS[port.protocol], address, port: port.hostPort };
  });
  const forget = ports
    .filter(({ protocol }) => protocol === "udp")
    .map(({ hostAddress, hostPort }) => send([forgetDatagrams(isIPv6(hostAddress) ? 6 : 4, hostPort)], ANY_ERROR));
  return {
    // Not taken out before, to be safe: a transaction that fails waits for an RCU grace period, 10 ms.
    before: elements.length === 0 ? holds : [...holds, send(addElements(elements), 0), ...forget],
    // They were added at one moment: they are all there, or none is.
    after: elements.length === 0 ? [] : [send(deleteElements(elements), ENOENT)],
  };
}

/** The element of a port in the text of nft: "any4 { tcp . 80 : 10.1.2.3 . 8080 }". */
export function elementText({ hostAddress, hostPort, containerPort, protocol }: PublishedPort, endpoint: Endpoint) {
  const version = isIPv6(hostAddress) ? 6 : 4;
  const target = version === 6 ? endpoint.ip6 : endpoint.ip;
  if (target === undefined) return [];
  const any = ANY.includes(hostAddress);
  const key = `${any ? "" : `${hostAddress} . `}${protocol} . ${hostPort}`;
  return [`${any ? "any" : "ports"}${version} { ${key} : ${target} . ${containerPort} }`];
}

function elementOf(table: string, port: PublishedPort, endpoint: Endpoint): MapElement[] {
  const version = isIPv6(port.hostAddress) ? 6 : 4;
  const target = version === 6 ? endpoint.ip6 : endpoint.ip;
  if (target === undefined) return [];
  const any = ANY.includes(port.hostAddress);
  const service = [Uint8Array.of(PROTOCOLS[port.protocol]), portBytes(port.hostPort)];
  return [
    {
      table,
      map: `${any ? "any" : "ports"}${version}`,
      key: concatenation(...(any ? service : [addressBytes(port.hostAddress), ...service])),
      value: concatenation(addressBytes(target), portBytes(port.containerPort)),
    },
  ];
}
