/** Addresses and subnets: text on the outside, whole numbers for counting, bytes for the kernel. */
import ipaddr from "ipaddr.js";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";

/** A subnet as numbers. */
export interface Range {
  readonly version: 4 | 6;
  readonly first: bigint;
  readonly prefix: number;
  /** Addresses in it. */
  readonly size: bigint;
}

/** Bytes of an address: 4 or 16. @throws ThawError INVALID. */
export function addressBytes(text: string): Uint8Array {
  if (!ipaddr.isValid(text) || (!text.includes(":") && !ipaddr.IPv4.isValidFourPartDecimal(text))) {
    throw new ThawError("INVALID", `${show(text)} is not an address`, { hint: "Write it as 10.1.2.3." });
  }
  return Uint8Array.from(ipaddr.parse(text).toByteArray());
}

/** An address as a number. @throws ThawError INVALID. */
export function addressNumber(text: string): bigint {
  return addressBytes(text).reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** The text of an address given as a number. */
export function addressText(version: 4 | 6, value: bigint): string {
  const length = version === 4 ? 4 : 16;
  const bytes = Array.from({ length }, (_, index) => Number((value >> BigInt(8 * (length - 1 - index))) & 0xffn));
  return ipaddr.fromByteArray(bytes).toString();
}

/** A subnet such as "10.1.2.0/24"; bits of the host part are cleared. @throws ThawError INVALID. */
export function parseSubnet(text: string): Range {
  if (!ipaddr.isValidCIDR(text)) {
    throw new ThawError("INVALID", `${show(text)} is not a subnet`, {
      hint: "Write it as 10.1.2.0/24 or fd00:1::/64.",
    });
  }
  const [address, prefix] = ipaddr.parseCIDR(text);
  const version = address.kind() === "ipv4" ? 4 : 6;
  const size = 1n << BigInt((version === 4 ? 32 : 128) - prefix);
  const value = address.toByteArray().reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return { version, first: value - (value % size), prefix, size };
}

/** "10.1.2.0/24". */
export function subnetText({ version, first, prefix }: Range): string {
  return `${addressText(version, first)}/${prefix}`;
}

/** Whether an address lies in a subnet. */
export function contains(range: Range, value: bigint): boolean {
  return value >= range.first && value < range.first + range.size;
}

/** Whether two subnets of the same version share an address. */
export function overlaps(a: Range, b: Range): boolean {
  return a.version === b.version && a.first < b.first + b.size && b.first < a.first + a.size;
}

/** A hardware address made of an IPv4 address: whoever gets the address again is known under the same one. */
export function macOf(ip: string): string {
  return ["02", "42", ...[...addressBytes(ip)].map((byte) => byte.toString(16).padStart(2, "0"))].join(":");
}

/** Six bytes of "02:42:0a:00:00:01". @throws ThawError INVALID. */
export function macBytes(mac: string): Uint8Array {
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(mac) || Number.parseInt(mac.slice(0, 2), 16) & 1) {
    throw new ThawError("INVALID", `${JSON.stringify(mac)} is not the hardware address of one interface`, {
      hint: "Write it as 02:42:ac:11:00:02; the first number is even.",
    });
  }
  return Uint8Array.from(mac.split(":").map((part) => Number.parseInt(part, 16)));
}
