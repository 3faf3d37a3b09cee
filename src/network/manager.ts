/**
 * Networks as containers, the API and pools use them.
 *
 * A container's start asks for its place (`join`) and gets operations for its plan: child operations that wire the
 * new namespace whole, host operations that take and pass on its published ports, and what undoes the latter. The
 * launcher performs them; no program is started and nothing waits for the kernel's lock of network configuration but
 * the sandbox's own first process. When it has ended, `leave` gives the addresses back.
 *
 * Sandboxes that are made ahead: `joinAhead` gives one its place under a name of its own, its wiring goes into the part
 * of the plan that is made ahead (`wiredPart`). A `join` from it gets the same place, and with it the same wiring: the
 * launcher takes the sandbox, and no netlink message is sent. Whoever made it calls `leave` when it is gone without
 * having been taken. Nobody is shown these places, and they give way to whoever wants their addresses.
 */
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import { isAhead } from "../sandbox/index.ts";
import { Bridges } from "./bridges.ts";
import { defaultSpec, newNetwork } from "./define.ts";
import { NameServers } from "./dns/servers.ts";
import { Endpoints } from "./endpoints.ts";
import { HostNetworks } from "./host.ts";
import { type Joined, type JoinRequest, joinedBy, type NetworksParts, namesIn } from "./join.ts";
import { connectLive, disconnectLive, type LiveParts } from "./live.ts";
import { needsNameServer } from "./resolver.ts";
import { NetworkStore } from "./store.ts";
import {
  DEFAULT_NETWORK,
  type Endpoint,
  type Network,
  type NetworkAttachment,
  type NetworkManager,
  type NetworkSpec,
} from "./types.ts";
import type { Wire } from "./wiring.ts";

/** As many addresses stay free of sandboxes made ahead. */
const ROOM_AHEAD = 32;

/** The networks of one daemon. */
export class Networks implements NetworkManager {
  readonly #store: NetworkStore;
  readonly #host: HostNetworks;
  readonly #bridges: Bridges;
  readonly #endpoints: Endpoints;
  readonly #names: NameServers;
  readonly #evict: (network: string) => Promise<void>;

  /** @throws ThawError when the database cannot be read. */
  constructor({ database, launcher, runDirectory, log, evict = async () => {}, holds = () => true }: NetworksParts) {
    this.#evict = evict;
    this.#store = new NetworkStore(database);
    this.#host = new HostNetworks(launcher, runDirectory);
    this.#bridges = new Bridges(this.#host, this.#store, holds);
    this.#endpoints = new Endpoints(this.#store, this.#host);
    this.#names = new NameServers(this.#store, log);
  }

  list(): Network[] {
    return this.#store.networks();
  }

  /** By name, id, or unambiguous prefix of an id. @throws ThawError NETWORK_NOT_FOUND. */
  get(nameOrId: string): Network {
    const all = this.list();
    const exact = all.find(({ id, name }) => name === nameOrId || id === nameOrId);
    const [only, ...more] = exact ? [exact] : all.filter(({ id }) => nameOrId !== "" && id.startsWith(nameOrId));
    if (only && more.length === 0) return only;
    if (nameOrId === DEFAULT_NETWORK) return this.#add(defaultSpec());
    throw new ThawError("NETWORK_NOT_FOUND", `no network is called ${show(nameOrId)}`, {
      hint: "`thaw network ls` lists the networks there are; `thaw network create` makes one.",
    });
  }

  endpointsOf(owner: string): readonly Endpoint[] {
    return this.#store.endpoints(owner);
  }

  endpointsIn(network: Network): Endpoint[] {
    return this.#store.endpoints().filter(({ networkId, owner }) => networkId === network.id && !isAhead(owner));
  }

  /** Makes a network, up. @throws ThawError NAME_IN_USE, INVALID, IN_USE, DEPENDENCY_MISSING; nothing is left then. */
  async create(spec: NetworkSpec): Promise<Network> {
    const network = this.#add(spec);
    try {
      await this.#up(network);
      return network;
    } catch (error) {
      await this.#drop(network).catch(() => {});
      throw error;
    }
  }

  /** @throws ThawError NETWORK_NOT_FOUND, IN_USE, INVALID for the default one. */
  async remove(nameOrId: string): Promise<Network> {
    const network = this.get(nameOrId);
    if (network.name === DEFAULT_NETWORK) {
      throw new ThawError("INVALID", `${DEFAULT_NETWORK} is the default network and cannot be removed`);
    }
    const { length } = this.endpointsIn(network);
    if (length > 0) {
      throw new ThawError("IN_USE", `the network ${network.name} has ${length} running containers`, {
        hint: "Stop them, or take them out of it (thaw network disconnect).",
      });
    }
    await this.#evict(network.id);
    await this.#drop(network);
    return network;
  }

  /**
   * Gives a container its place in networks; the first one that is not internal is its way out.
   * @throws ThawError NETWORK_NOT_FOUND, IN_USE, INVALID, DEPENDENCY_MISSING; nothing is left then.
   */
  async join(owner: string, request: JoinRequest): Promise<Joined> {
    const taken = request.from === undefined ? undefined : await this.#takeOver(owner, request.from, request);
    return taken ?? this.#joinAnew(owner, request);
  }

  async #joinAnew(owner: string, request: JoinRequest): Promise<Joined> {
    const wanted = request.attachments.map((attachment) => ({ attachment, network: this.get(attachment.network) }));
    const out = Math.max(
      0,
      wanted.findIndex(({ network }) => !network.internal),
    );
    const wires: Wire[] = [];
    try {
      for (const [index, { attachment, network }] of wanted.entries()) {
        const bridge = await this.#up(network);
        await this.#makeRoom(network, attachment);
        const ports = index === out ? request.ports : [];
        const names = namesIn(network, request.names);
        const wish = { owner, interface: `eth${index}`, names, ports, servers: request.servers ?? [] };
        const endpoint = this.#endpoints.add(network, attachment, wish);
        wires.push({ endpoint, network, bridge, isGateway: index === out && !network.internal });
      }
    } catch (error) {
      this.leave(owner);
      throw error;
    }
    return joinedBy(wires, out, this.#host.table);
  }

  /** What was made ahead must not keep an address from a container that asks for it. */
  async #makeRoom({ id }: Network, { ip, ip6 }: NetworkAttachment): Promise<void> {
    const ahead = this.#store.endpoints().filter(({ networkId, owner }) => networkId === id && isAhead(owner));
    if (ahead.some((endpoint) => (ip && endpoint.ip === ip) || (ip6 && endpoint.ip6 === ip6))) await this.#evict(id);
  }

  /** Gives back all that an owner has. Missing is fine. */
  leave(owner: string): void {
    this.#endpoints.remove(owner);
  }

  /**
   * A place for a sandbox that is made ahead, without names or ports; `leave(owner)` gives it back.
   * @throws ThawError as `join`, and IN_USE when containers may soon want the network's last addresses.
   */
  async joinAhead(owner: string, network: string): Promise<Joined> {
    if (this.#endpoints.free(this.get(network)) < ROOM_AHEAD) {
      throw new ThawError("IN_USE", `the network ${network} has no addresses to spare`);
    }
    const attachment = { network, aliases: [], ip: undefined, ip6: undefined, mac: undefined };
    return this.#joinAnew(owner, { attachments: [attachment], names: [], ports: [] });
  }

  /** The place that a sandbox made ahead has, which is the container's from now on. */
  async #takeOver(owner: string, from: string, request: JoinRequest): Promise<Joined | undefined> {
    const [attachment] = request.attachments;
    if (!attachment) return undefined;
    const network = this.get(attachment.network);
    const bridge = await this.#up(network);
    const [held] = this.#store.endpoints(from);
    if (held?.networkId !== network.id) return undefined;
    const names = namesIn(network, [...request.names, ...attachment.aliases]);
    const { ports, servers = [] } = request;
    const wish = { owner, interface: held.interface, names, ports, servers };
    const endpoint = this.#endpoints.handOver(held, wish);
    return joinedBy([{ endpoint, network, bridge, isGateway: !network.internal }], 0, this.#host.table, true);
  }

  /** Puts a running container into another network. @throws ThawError WRONG_STATE when it is in it. */
  connect(owner: string, attachment: NetworkAttachment, names: readonly string[]): Promise<Endpoint> {
    return connectLive(this.#live, owner, attachment, names);
  }

  /** Takes a running container out of a network. @throws ThawError WRONG_STATE when it is not in it. */
  disconnect(owner: string, nameOrId: string): Promise<void> {
    return disconnectLive(this.#live, owner, nameOrId);
  }

  get #live(): LiveParts {
    const parts = { store: this.#store, host: this.#host, endpoints: this.#endpoints };
    return { ...parts, get: (name) => this.get(name), up: (network) => this.#up(network) };
  }

  /** After whatever happened: only these owners are left. @throws ThawError DEPENDENCY_MISSING, UNSUPPORTED_MACHINE. */
  async reconcile(owners: ReadonlySet<string>): Promise<void> {
    for (const owner of this.#store.owners()) if (!owners.has(owner)) this.leave(owner);
    await this.#bridges.reconcile();
    const inUse = new Set(this.#store.endpoints().map(({ networkId }) => networkId));
    for (const network of this.list()) {
      if (network.name !== DEFAULT_NETWORK || inUse.has(network.id)) await this.#up(network);
    }
  }

  /** Stops answering names; networks stay. */
  async close(): Promise<void> {
    await this.#names.close();
  }

  /** Takes all bridges and the table away; the networks come back with the next daemon. */
  async takeDown(): Promise<void> {
    await this.#names.close();
    await this.#bridges.close();
  }

  async #up(network: Network): Promise<number> {
    const index = await this.#bridges.up(network);
    if (needsNameServer(network)) await this.#names.serve(network);
    return index;
  }

  async #drop(network: Network): Promise<void> {
    await this.#names.stop(network);
    this.#store.removeNetwork(network.id);
    this.#endpoints.removeNetwork(network.id);
    await this.#bridges.down(network);
  }

  /** @throws ThawError NAME_IN_USE, INVALID, IN_USE, NO_SPACE. */
  #add(spec: NetworkSpec): Network {
    const network = newNetwork(spec, this.list(), this.#host);
    this.#store.saveNetwork(network);
    this.#endpoints.addNetwork(network);
    return network;
  }
}
