/**
 * Which addresses of a network are taken. Free ones are given in turn, so that one that was just given back rests as
 * long as possible: connections and caches of others may still know it.
 */
import { ThawError } from "../common/errors.ts";
import { addressNumber, addressText, contains, parseSubnet, type Range } from "./address.ts";
import type { Subnet } from "./types.ts";

/** The addresses of one subnet. */
export class AddressPool {
  readonly #range: Range;
  readonly #name: string;
  readonly #taken = new Set<bigint>();
  readonly #gateway: bigint;
  #last: bigint;

  /** @param name  of the network, for messages. */
  constructor(name: string, subnet: Subnet) {
    this.#name = name;
    this.#range = parseSubnet(subnet.cidr);
    this.#gateway = addressNumber(subnet.gateway);
    this.#last = this.#range.first;
  }

  /** Prefix length. */
  get prefix(): number {
    return this.#range.prefix;
  }

  /** How many addresses are free. */
  get free(): bigint {
    return this.#usable() - BigInt(this.#taken.size);
  }

  /** The next free address. @throws ThawError IN_USE when there is none. */
  take(): string {
    const { first, size, version } = this.#range;
    const usable = this.#usable();
    if (BigInt(this.#taken.size) >= usable) {
      throw new ThawError("IN_USE", `the network ${this.#name} has no free address left: all ${usable} are taken`, {
        hint: "Remove containers from it, or make a network with a larger --subnet.",
      });
    }
    let next = this.#last;
    do next = first + ((next - first + 1n) % size);
    while (!this.#mayGive(next) || this.#taken.has(next));
    this.#last = next;
    this.#taken.add(next);
    return addressText(version, next);
  }

  /** A certain address. @throws ThawError INVALID when it cannot be one of a container here, IN_USE. */
  reserve(ip: string): string {
    const value = addressNumber(ip);
    if (ip.includes(":") !== (this.#range.version === 6) || !contains(this.#range, value) || !this.#mayGive(value)) {
      throw new ThawError("INVALID", `${ip} cannot be the address of a container in the network ${this.#name}`, {
        hint: "Give an address of its subnet (thaw network inspect shows it) that is not its gateway.",
      });
    }
    if (this.#taken.has(value)) {
      throw new ThawError("IN_USE", `${ip} belongs to another container of the network ${this.#name}`, {
        hint: "Choose another address, or leave --ip out.",
      });
    }
    this.#taken.add(value);
    return addressText(this.#range.version, value);
  }

  /** Missing is fine. */
  release(ip: string): void {
    this.#taken.delete(addressNumber(ip));
  }

  /** The first address names the network, the last of IPv4 is everybody's. */
  #mayGive(value: bigint): boolean {
    const { first, size, version } = this.#range;
    return value !== first && value !== this.#gateway && !(version === 4 && value === first + size - 1n);
  }

  #usable(): bigint {
    const { first, size, version } = this.#range;
    const ends = version === 4 ? 2n : 1n;
    const gatewayIsEnd = this.#gateway === first ? 0n : 1n;
    return size - ends - gatewayIsEnd;
  }
}
