/**
 * Networks as containers, the API and pools use them.
 *
 * A container's start asks for its place (`join`) and gets operations for its plan: child operations that wire the
 * new namespace whole, host operations that take and pass on its published ports, and what undoes the latter. The
 * launcher performs them; no program is started and nothing waits for the kernel's lock of network configuration but
 * the sandbox's own first process. When it has ended, `leave` gives the addresses back.
 *
 * Sandboxes that are made ahead: `joinAhead` wires one for an owner of its own, `handOver` makes it a container's,
 * which costs no netlink message unless ports are published.
 */
import type { Database } from "bun:sqlite";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import type { LauncherClient } from "../launcher/index.ts";
import { Bridges } from "./bridges.ts";
import { defaultSpec, newNetwork } from "./define.ts";
import { NameServers } from "./dns/servers.ts";
import { Endpoints } from "./endpoints.ts";
import { HostNetworks } from "./host.ts";
import { type Joined, type JoinRequest, joinedBy, namesIn } from "./join.ts";
import { type PublishOps, publishOps } from "./published.ts";
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
import { unwire, type Wire, wireLater } from "./wiring.ts";

export interface NetworksParts {
  readonly database: Database;
  readonly launcher: LauncherClient;
  readonly runDirectory: string;
  readonly log: (line: string) => void;
}

/** The networks of one daemon. */
export class Networks implements NetworkManager {
  readonly #store: NetworkStore;
  readonly #host: HostNetworks;
  readonly #bridges: Bridges;
  readonly #endpoints: Endpoints;
  readonly #names: NameServers;

  /** @throws ThawError when the database cannot be read. */
  constructor({ database, launcher, runDirectory, log }: NetworksParts) {
    this.#store = new NetworkStore(database);
    this.#host = new HostNetworks(launcher, runDirectory);
    this.#bridges = new Bridges(this.#host, this.#store);
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
    return this.#store.endpoints().filter(({ networkId }) => networkId === network.id);
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
    await this.#drop(network);
    return network;
  }

  /**
   * Gives a container its place in networks; the first one that is not internal is its way out.
   * @throws ThawError NETWORK_NOT_FOUND, IN_USE, INVALID, DEPENDENCY_MISSING; nothing is left then.
   */
  async join(owner: string, request: JoinRequest): Promise<Joined> {
    const wanted = request.attachments.map((attachment) => ({ attachment, network: this.get(attachment.network) }));
    const out = Math.max(
      0,
      wanted.findIndex(({ network }) => !network.internal),
    );
    const wires: Wire[] = [];
    try {
      for (const [index, { attachment, network }] of wanted.entries()) {
        const bridge = await this.#up(network);
        const ports = index === out ? request.ports : [];
        const wish = { owner, interface: `eth${index}`, names: namesIn(network, request.names), ports };
        const endpoint = this.#endpoints.add(network, attachment, wish);
        wires.push({ endpoint, network, bridge, isGateway: index === out && !network.internal });
      }
    } catch (error) {
      this.leave(owner);
      throw error;
    }
    return joinedBy(wires, out, this.#host.table);
  }

  /** Gives back all that an owner has. Missing is fine. */
  leave(owner: string): void {
    this.#endpoints.remove(owner);
  }

  /** Wires one sandbox of a network ahead, without names or ports. `leave(owner)` gives it back. */
  joinAhead(owner: string, network: string): Promise<Joined> {
    const attachment = { network, aliases: [], ip: undefined, ip6: undefined, mac: undefined };
    return this.join(owner, { attachments: [attachment], names: [], ports: [] });
  }

  /** Makes what an owner has a container's: nothing of the wiring changes. @throws ThawError NO_SPACE, WRONG_STATE. */
  handOver(from: string, to: string, request: Pick<JoinRequest, "names" | "ports">): PublishOps {
    const [endpoint] = this.#store.endpoints(from);
    if (!endpoint) throw new ThawError("WRONG_STATE", `${from} has no place in a network`);
    const network = this.get(endpoint.networkId);
    const wish = {
      owner: to,
      interface: endpoint.interface,
      names: namesIn(network, request.names),
      ports: request.ports,
    };
    return publishOps(this.#host.table, request.ports, this.#endpoints.handOver(endpoint, wish));
  }

  /** Puts a running container into another network. @throws ThawError WRONG_STATE when it is in it. */
  async connect(owner: string, attachment: NetworkAttachment, names: readonly string[]): Promise<Endpoint> {
    const network = this.get(attachment.network);
    const mine = this.#store.endpoints(owner);
    if (mine.some(({ networkId }) => networkId === network.id)) {
      throw new ThawError("WRONG_STATE", `the container is in the network ${network.name} already`);
    }
    const bridge = await this.#up(network);
    const used = new Set(mine.map((endpoint) => endpoint.interface));
    const free = Array.from({ length: used.size + 1 }, (_, index) => `eth${index}`).find((name) => !used.has(name));
    const wish = { owner, interface: free ?? "eth0", names: namesIn(network, names), ports: [] };
    const endpoint = this.#endpoints.add(network, attachment, wish);
    const isGateway = !network.internal && mine.every(({ networkId }) => this.get(networkId).internal);
    try {
      const plan = wireLater({ endpoint, network, bridge, isGateway });
      await this.#host.run(plan, `connecting to the network ${network.name}`, owner);
      return endpoint;
    } catch (error) {
      this.#endpoints.remove(owner, network.id);
      throw error;
    }
  }

  /** Takes a running container out of a network. @throws ThawError WRONG_STATE when it is not in it. */
  async disconnect(owner: string, nameOrId: string): Promise<void> {
    const network = this.get(nameOrId);
    const endpoint = this.#store.endpoints(owner).find(({ networkId }) => networkId === network.id);
    if (!endpoint) throw new ThawError("WRONG_STATE", `the container is not in the network ${network.name}`);
    await this.#host.run(unwire(endpoint), `disconnecting from the network ${network.name}`, "");
    const { after } = publishOps(this.#host.table, endpoint.ports, endpoint);
    if (after.length > 0) await this.#host.run(after, "withdrawing ports", "");
    this.#endpoints.remove(owner, network.id);
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
