/** Choosing what a network does not ask for: a subnet that nobody on this machine uses, and the size of packets. */
import { readFileSync } from "node:fs";
import { ThawError } from "../common/errors.ts";
import { addressNumber, addressText, contains, overlaps, parseSubnet, type Range, subnetText } from "./address.ts";
import type { Subnet } from "./types.ts";

/** Where subnets are taken from, with the prefix of each. */
const POOLS = [
  { pool: "172.16.0.0/12", prefix: 20 },
  { pool: "192.168.0.0/16", prefix: 24 },
] as const;
const LEAST_MTU = 68;
const LEAST_MTU6 = 1280;
const MOST_MTU = 65_535;
const USUAL_MTU = 1500;

/** A line of /proc/net/route: interface, destination, gateway, flags, counters, metric, mask, in hex of this machine. */
function hostRoutes(): Range[] {
  return routeLines().flatMap(([, destination = "", , , , , , mask = ""]) => {
    const prefix = ones(Number.parseInt(mask, 16));
    // The way to everything is nobody's subnet.
    return prefix === 0 ? [] : [parseSubnet(`${addressText(4, BigInt(swap(destination)))}/${prefix}`)];
  });
}

function routeLines(): string[][] {
  try {
    const lines = readFileSync("/proc/net/route", "utf8").trim().split("\n").slice(1);
    return lines.map((line) => line.split(/\s+/));
  } catch {
    return [];
  }
}

function swap(hex: string): number {
  return Number.parseInt(hex.match(/../g)?.reverse().join("") ?? "0", 16);
}

function ones(value: number): number {
  return (value >>> 0).toString(2).replaceAll("0", "").length;
}

/** The part of the interface's name that the way out leads through, and the size of its packets. */
export function outwardMtu(): number {
  const name = routeLines().find(([, destination]) => destination === "00000000")?.[0];
  try {
    return name === undefined ? USUAL_MTU : Number(readFileSync(`/sys/class/net/${name}/mtu`, "utf8"));
  } catch {
    return USUAL_MTU;
  }
}

/** @throws ThawError INVALID. */
export function checkMtu(mtu: number, ipv6: boolean): number {
  const least = ipv6 ? LEAST_MTU6 : LEAST_MTU;
  if (Number.isInteger(mtu) && mtu >= least && mtu <= MOST_MTU) return mtu;
  throw new ThawError("INVALID", `an MTU of ${mtu} is not possible`, { hint: `Give ${least} to ${MOST_MTU}.` });
}

/**
 * A free subnet. @param start  where to begin looking, so that daemons do not choose the same at the same time.
 * @throws ThawError IN_USE when all are taken.
 */
export function freeSubnet(taken: readonly Range[], start: number): Subnet {
  const used = [...taken, ...hostRoutes()];
  for (const { pool, prefix } of POOLS) {
    const { first, size } = parseSubnet(pool);
    const step = 1n << BigInt(32 - prefix);
    const count = Number(size / step);
    for (let tried = 0; tried < count; tried++) {
      const range: Range = { version: 4, first: first + step * BigInt((start + tried) % count), prefix, size: step };
      if (!used.some((other) => overlaps(other, range))) return withGateway(range, undefined);
    }
  }
  throw new ThawError("IN_USE", "no free subnet is left for another network", {
    hint: "Remove networks (thaw network rm), or give one: --subnet 10.1.2.0/24.",
  });
}

/** A subnet of the kind that every site may choose at random: here by the daemon's digits and the network's name. */
export function localSubnet6(digits: string): Subnet {
  const hex = digits.padEnd(14, "0");
  const text = `fd${hex.slice(0, 2)}:${hex.slice(2, 6)}:${hex.slice(6, 10)}:${hex.slice(10, 14)}::/64`;
  return withGateway(parseSubnet(text), undefined);
}

/**
 * A subnet that was asked for.
 * @throws ThawError INVALID, IN_USE when it overlaps with another.
 */
export function askedSubnet(
  version: 4 | 6,
  text: string,
  gateway: string | undefined,
  taken: readonly { readonly range: Range; readonly words: string }[],
): Subnet {
  const range = parseSubnet(text);
  if (range.version !== version || range.size < 4n) {
    throw new ThawError("INVALID", `${text} cannot be the IPv${version} subnet of a network`, {
      hint: version === 4 ? "Give one such as 10.1.2.0/24, at most a /30." : "Give one such as fd00:1::/64.",
    });
  }
  const host = hostRoutes().map((route) => ({
    range: route,
    words: `the machine's own route to ${subnetText(route)}`,
  }));
  const other = [...taken, ...host].find((one) => overlaps(one.range, range));
  if (other) {
    throw new ThawError("IN_USE", `the subnet ${text} overlaps with ${other.words}`, { hint: "Choose another one." });
  }
  return withGateway(range, gateway);
}

function withGateway(range: Range, gateway: string | undefined): Subnet {
  const cidr = subnetText(range);
  if (gateway === undefined) return { cidr, gateway: addressText(range.version, range.first + 1n) };
  const value = addressNumber(gateway);
  const last = range.first + range.size - 1n;
  const fits = gateway.includes(":") === (range.version === 6) && contains(range, value);
  if (fits && value !== range.first && value !== last) return { cidr, gateway: addressText(range.version, value) };
  throw new ThawError("INVALID", `the gateway ${gateway} is not an address of the subnet ${cidr}`, {
    hint: `Leave it out, or give one such as ${addressText(range.version, range.first + 1n)}.`,
  });
}
