/**
 * Endpoints as operations: what puts a sandbox into a network, whole, and what is written into it about that. A plan
 * takes these into the sandbox's own first process; for a sandbox that is there already they go into a process
 * outside of it (`wireLater`). Undoing needs nothing: the pair of interfaces goes with the sandbox's namespace.
 */
import { existsSync } from "node:fs";
import { type ChildOp, NetPlace, type Op, Role, Wait } from "../launcher/generated/protocol.ts";
import { addressBytes, macBytes, parseSubnet } from "./address.ts";
import { batch, Family, type NetlinkMessage } from "./netlink/message.ts";
import {
  deleteLink,
  descriptorOffset,
  joinBridge,
  linkUp,
  newAddress,
  newDefaultRoute,
  newVeth,
  withoutLinkLocal,
} from "./netlink/route.ts";
import type { Endpoint, Network } from "./types.ts";

/** Out of the way of the interfaces that some kernels make in every namespace by themselves. */
const FIRST_INDEX = 100;
const ENODEV = 19;

/** An endpoint with what its network is and the number of the bridge now. */
export interface Wire {
  readonly endpoint: Endpoint;
  readonly network: Network;
  readonly bridge: number;
  /** Whether the way to everything else leads through it. */
  readonly isGateway: boolean;
}

/** For a fresh network namespace: all interfaces with their addresses and routes. */
export function wiring(wires: readonly Wire[], place: NetPlace = NetPlace.own): ChildOp[] {
  return wires.flatMap((wire) => wireOps(wire, place));
}

function wireOps({ endpoint, network, bridge, isGateway }: Wire, place: NetPlace): ChildOp[] {
  const index = FIRST_INDEX + Number(endpoint.interface.replace(/\D/g, ""));
  const { subnet, subnet6, mtu } = network;
  const veth = newVeth({
    name: endpoint.interface,
    index,
    mac: macBytes(endpoint.mac),
    outsideName: endpoint.veth,
    mtu,
  });
  const quiet = endpoint.ip6 === undefined && hasIpv6() ? [withoutLinkLocal(endpoint.interface)] : [];
  const messages = [
    veth,
    ...quiet,
    linkUp(endpoint.interface),
    newAddress(index, addressBytes(endpoint.ip), parseSubnet(subnet.cidr).prefix),
  ];
  if (isGateway) messages.push(newDefaultRoute(addressBytes(subnet.gateway)));
  if (endpoint.ip6 !== undefined && subnet6) {
    messages.push(newAddress(index, addressBytes(endpoint.ip6), parseSubnet(subnet6.cidr).prefix));
    if (isGateway) messages.push(newDefaultRoute(addressBytes(subnet6.gateway)));
  }
  return [netlink(place, messages), netlink(NetPlace.launcher, portOn(bridge, endpoint.veth))];
}

/** What makes an end of a pair a port of a bridge. */
export function portOn(bridge: number, veth: string): NetlinkMessage[] {
  return [joinBridge(veth, bridge), ...(hasIpv6() ? [withoutLinkLocal(veth)] : []), linkUp(veth)];
}

/** Whether the kernel has IPv6 at all. */
export function hasIpv6(): boolean {
  return existsSync("/proc/sys/net/ipv6");
}

/** A plan that puts a running sandbox into a network. */
export function wireLater(wire: Wire): Op[] {
  return [...outside(), ...wireOps(wire, NetPlace.sandbox), { kind: "exit", status: 0 }];
}

/** A plan that takes a running sandbox out of a network. */
export function unwire(endpoint: Endpoint): Op[] {
  const remove = netlink(NetPlace.launcher, [deleteLink(endpoint.veth)], ENODEV);
  return [...outside(), remove, { kind: "exit", status: 0 }];
}

/** A plan that makes a network the way out of a running sandbox that is in it. */
export function wayOut({ subnet, subnet6 }: Network): Op[] {
  const gateways = [subnet, ...(subnet6 ? [subnet6] : [])];
  const routes = gateways.map(({ gateway }) => newDefaultRoute(addressBytes(gateway)));
  return [...outside(), netlink(NetPlace.sandbox, routes), { kind: "exit", status: 0 }];
}

/** A plan that sends messages in the launcher's network namespace, by a process that may wait. */
export function onHost(messages: readonly NetlinkMessage[], ignore = 0): Op[] {
  return [...outside(), netlink(NetPlace.own, messages, ignore), { kind: "exit", status: 0 }];
}

function outside(): Op[] {
  return [{ kind: "spawn", role: Role.helper, wait: Wait.success, namespaces: 0n, join: 0 }];
}

function netlink(place: NetPlace, messages: readonly NetlinkMessage[], ignore = 0): ChildOp {
  const bytes = batch(messages);
  const patch = descriptorOffset(bytes);
  return { kind: "netlink_inside", family: Family.route, place, patch, ignore, batch: bytes };
}
