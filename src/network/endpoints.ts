/** Giving places in networks to containers: addresses, interfaces, names; and taking them back. */
import { ThawError } from "../common/errors.ts";
import { isAhead } from "../sandbox/index.ts";
import { macBytes, macOf } from "./address.ts";
import type { HostNetworks } from "./host.ts";
import { AddressPool } from "./ipam.ts";
import type { NetworkStore } from "./store.ts";
import type { Endpoint, Network, NetworkAttachment, PublishedPort } from "./types.ts";

/** The kernel's bound. */
const MOST_PORTS = 1023;
/** Names of interfaces are four digits of 36. */
const VETHS = 36 ** 4;

interface Pools {
  readonly v4: AddressPool;
  readonly v6: AddressPool | undefined;
}

/** What an endpoint is made of. */
export interface EndpointWish {
  readonly owner: string;
  readonly interface: string;
  /** Names beside the aliases. */
  readonly names: readonly string[];
  readonly ports: readonly PublishedPort[];
  readonly servers: readonly string[];
}

/** The endpoints of all networks. */
export class Endpoints {
  readonly #store: NetworkStore;
  readonly #host: HostNetworks;
  readonly #pools = new Map<string, Pools>();
  #nextVeth: number;

  constructor(store: NetworkStore, host: HostNetworks) {
    this.#store = store;
    this.#host = host;
    this.#nextVeth = Math.floor(Math.random() * VETHS);
    for (const network of store.networks()) this.addNetwork(network);
    for (const endpoint of this.#unique()) this.#reserve(endpoint);
  }

  addNetwork({ id, name, subnet, subnet6 }: Network): void {
    this.#pools.set(id, {
      v4: new AddressPool(name, subnet),
      v6: subnet6 === undefined ? undefined : new AddressPool(name, subnet6),
    });
  }

  removeNetwork(id: string): void {
    this.#pools.delete(id);
  }

  /** @throws ThawError IN_USE when no address is left, INVALID or IN_USE for one that was asked for, NO_SPACE. */
  add(network: Network, attachment: NetworkAttachment, wish: EndpointWish): Endpoint {
    const { v4, v6 } = this.#poolsOf(network);
    if (this.#store.endpoints().filter(({ networkId }) => networkId === network.id).length >= MOST_PORTS) {
      throw new ThawError("IN_USE", `the network ${network.name} is full: a bridge has ${MOST_PORTS} ports`, {
        hint: "Put more containers into another network.",
      });
    }
    if (attachment.mac !== undefined) macBytes(attachment.mac);
    if (attachment.ip6 !== undefined && v6 === undefined) {
      throw new ThawError("INVALID", `the network ${network.name} has no IPv6`, { hint: "Make it with --ipv6." });
    }
    const ip = attachment.ip === undefined ? v4.take() : v4.reserve(attachment.ip);
    let ip6: string | undefined;
    try {
      ip6 = attachment.ip6 === undefined ? v6?.take() : v6?.reserve(attachment.ip6);
      const mac = attachment.mac ?? macOf(ip);
      const names = [...new Set([...wish.names, ...attachment.aliases].map((name) => name.toLowerCase()))];
      const endpoint: Endpoint = { ...wish, networkId: network.id, veth: this.#newVeth(), ip, ip6, mac, names };
      this.#store.saveEndpoint(endpoint);
      return endpoint;
    } catch (error) {
      v4.release(ip);
      if (ip6 !== undefined) v6?.release(ip6);
      throw error;
    }
  }

  /** How many addresses a network has to give. */
  free(network: Network): number {
    return Number(this.#poolsOf(network).v4.free);
  }

  /** Gives an endpoint to another owner. @throws ThawError NO_SPACE. */
  handOver(endpoint: Endpoint, wish: EndpointWish): Endpoint {
    const names = [...new Set(wish.names.map((name) => name.toLowerCase()))];
    const given: Endpoint = { ...endpoint, ...wish, names };
    this.#store.moveEndpoint(endpoint, given);
    return given;
  }

  /** All endpoints of an owner, or the one in a network. Missing is fine. */
  remove(owner: string, networkId?: string): void {
    for (const endpoint of this.#store.endpoints(owner)) {
      if (networkId !== undefined && endpoint.networkId !== networkId) continue;
      const pools = this.#pools.get(endpoint.networkId);
      pools?.v4.release(endpoint.ip);
      if (endpoint.ip6 !== undefined) pools?.v6?.release(endpoint.ip6);
    }
    this.#store.removeEndpoints(owner, networkId);
  }

  #poolsOf({ id, name }: Network): Pools {
    const pools = this.#pools.get(id);
    if (pools) return pools;
    throw new ThawError("NETWORK_NOT_FOUND", `the network ${name} was removed`, { hint: "See thaw network ls." });
  }

  /**
   * An address has one owner, the last who was given it. A row of an earlier one may be there, because a full disk kept
   * it from being removed; it must not keep the daemon from starting.
   */
  #unique(): Endpoint[] {
    const byAddress = new Map<string, Endpoint>();
    for (const endpoint of this.#store.endpoints()) {
      const key = `${endpoint.networkId} ${endpoint.ip}`;
      const other = byAddress.get(key);
      const loser = other !== undefined && isAhead(endpoint.owner) ? endpoint : other;
      if (loser !== undefined) this.#store.removeEndpoints(loser.owner, loser.networkId);
      if (loser !== endpoint) byAddress.set(key, endpoint);
    }
    return [...byAddress.values()];
  }

  #reserve({ networkId, ip, ip6 }: Endpoint): void {
    const pools = this.#pools.get(networkId);
    pools?.v4.reserve(ip);
    if (ip6 !== undefined) pools?.v6?.reserve(ip6);
  }

  #newVeth(): string {
    const taken = new Set(this.#store.endpoints().map(({ veth }) => veth));
    let name: string;
    do {
      name = this.#host.vethName(this.#nextVeth);
      this.#nextVeth = (this.#nextVeth + 1) % VETHS;
    } while (taken.has(name));
    return name;
  }
}
