/**
 * Messages of rtnetlink: interfaces, addresses, routes. Addresses are given as their 4 or 16 bytes.
 */
import { attribute, Flag, littleEndian32, message, type NetlinkMessage, nest, text, u8, u32 } from "./message.ts";

const NEW_LINK = 16;
const DEL_LINK = 17;
const SET_LINK = 19;
const NEW_ADDRESS = 20;
const NEW_ROUTE = 24;

const AF_INET = 2;
const AF_INET6 = 10;
const UP = 1;

const Link = {
  address: 1,
  name: 3,
  mtu: 4,
  master: 10,
  info: 18,
  specific: 26,
  namespaceFd: 28,
} as const;
const Info = { kind: 1, data: 2 } as const;
const VETH_PEER = 1;
const ADDRESS_LOCAL = 2;
const ADDRESS_ITSELF = 1;
const ADDRESS_FLAGS = 8;
/** No duplicate address detection: an address that thaw gives is usable at once. */
const NO_DAD = 2;
const ROUTE_GATEWAY = 5;
/** Sysctls of one interface, by their numbers in linux/ip.h. */
const INET_CONF = 1;
const ROUTE_LOCALNET = 26;
const ADDRESS_GENERATION = 8;
const NO_GENERATION = 1;

const MAIN_TABLE = 254;
const STATIC = 4;
const UNIVERSE = 0;
const UNICAST = 1;

/** Where the descriptor's number stands that the launcher fills in. */
const NO_DESCRIPTOR = 0xffffffff;

export interface VethOptions {
  /** Of the end in the sandbox: its name and number there. */
  readonly name: string;
  readonly index: number;
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Of the end in the launcher's network namespace. */
  readonly outsideName: string;
  readonly mtu: number;
}

/** struct ifinfomsg. */
function linkHead(options: { up?: boolean; index?: number } = {}): Uint8Array {
  const head = new Uint8Array(16);
  const view = new DataView(head.buffer);
  view.setInt32(4, options.index ?? 0, true);
  if (options.up) {
    view.setUint32(8, UP, true);
    view.setUint32(12, UP, true);
  }
  return head;
}

/**
 * A pair of interfaces, both down: one end here, the other in the launcher's network namespace, whose descriptor the
 * launcher writes at `descriptorOffset`.
 */
export function newVeth(options: VethOptions): NetlinkMessage {
  const mtu = u32(Link.mtu, options.mtu);
  const outside = text(Link.name, options.outsideName);
  const peer = message(0, 0, linkHead(), outside, mtu, u32(Link.namespaceFd, NO_DESCRIPTOR)).body;
  return message(
    NEW_LINK,
    Flag.ack | Flag.create | Flag.excl,
    linkHead({ index: options.index }),
    text(Link.name, options.name),
    attribute(Link.address, options.mac),
    mtu,
    nest(Link.info, text(Info.kind, "veth"), nest(Info.data, attribute(VETH_PEER, peer))),
  );
}

/** Where in a batch the descriptor of the launcher's network namespace goes; 0 when there is no `newVeth` in it. */
export function descriptorOffset(bytes: Uint8Array): number {
  const placeholder = Buffer.from([8, 0, Link.namespaceFd, 0, ...littleEndian32(NO_DESCRIPTOR)]);
  const at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf(placeholder);
  return at < 0 ? 0 : at + 4;
}

/** Puts an interface on a bridge (its number). */
export function joinBridge(name: string, bridge: number): NetlinkMessage {
  return message(SET_LINK, Flag.ack, linkHead(), text(Link.name, name), u32(Link.master, bridge));
}

/** Brings an interface up. */
export function linkUp(name: string): NetlinkMessage {
  return message(SET_LINK, Flag.ack, linkHead({ up: true }), text(Link.name, name));
}

/**
 * Keeps an interface that is still down from giving itself an address of IPv6: in a network without IPv6 it is of no
 * use, and what the interface sends about it reaches every container of the network.
 */
export function withoutLinkLocal(name: string): NetlinkMessage {
  const conf = nest(Link.specific, nest(AF_INET6, u8(ADDRESS_GENERATION, NO_GENERATION)));
  return message(SET_LINK, Flag.ack, linkHead(), text(Link.name, name), conf);
}

/** A bridge, still down. */
export function newBridge(name: string, mac: Uint8Array, mtu: number): NetlinkMessage {
  return message(
    NEW_LINK,
    Flag.ack | Flag.create | Flag.excl,
    linkHead(),
    text(Link.name, name),
    attribute(Link.address, mac),
    u32(Link.mtu, mtu),
    nest(Link.info, text(Info.kind, "bridge")),
  );
}

/** Lets packets of the machine itself to 127.0.0.0/8 be passed on through this interface. */
export function routeLocalnet(name: string): NetlinkMessage {
  const conf = nest(Link.specific, nest(AF_INET, nest(INET_CONF, u32(ROUTE_LOCALNET, 1))));
  return message(SET_LINK, Flag.ack, linkHead(), text(Link.name, name), conf);
}

/** Takes an interface away, and with it the other end of a pair. */
export function deleteLink(name: string): NetlinkMessage {
  return message(DEL_LINK, Flag.ack, linkHead(), text(Link.name, name));
}

/** Gives an interface an address. */
export function newAddress(index: number, address: Uint8Array, prefix: number): NetlinkMessage {
  const isV4 = address.length === 4;
  const head = new Uint8Array(8);
  const view = new DataView(head.buffer);
  view.setUint8(0, isV4 ? AF_INET : AF_INET6);
  view.setUint8(1, prefix);
  view.setUint32(4, index, true);
  const flags = isV4 ? [] : [u32(ADDRESS_FLAGS, NO_DAD)];
  return message(
    NEW_ADDRESS,
    Flag.ack | Flag.create | Flag.excl,
    head,
    attribute(ADDRESS_LOCAL, address),
    attribute(ADDRESS_ITSELF, address),
    ...flags,
  );
}

/** The way to everything that no other route names, in place of the one that there is. */
export function newDefaultRoute(gateway: Uint8Array): NetlinkMessage {
  const head = new Uint8Array(12);
  head.set([gateway.length === 4 ? AF_INET : AF_INET6, 0, 0, 0, MAIN_TABLE, STATIC, UNIVERSE, UNICAST]);
  return message(NEW_ROUTE, Flag.ack | Flag.create | Flag.replace, head, attribute(ROUTE_GATEWAY, gateway));
}
