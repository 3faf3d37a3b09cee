/** Running containers that are put into networks and taken out of them. */
import { ThawError } from "../common/errors.ts";
import type { Endpoints } from "./endpoints.ts";
import type { HostNetworks } from "./host.ts";
import { namesIn } from "./join.ts";
import { publishOps } from "./published.ts";
import type { NetworkStore } from "./store.ts";
import type { Endpoint, Network, NetworkAttachment } from "./types.ts";
import { unwire, wayOut, wireLater } from "./wiring.ts";

/** What such changes are made with. */
export interface LiveParts {
  readonly store: NetworkStore;
  readonly host: HostNetworks;
  readonly endpoints: Endpoints;
  /** By name or id. @throws ThawError NETWORK_NOT_FOUND. */
  readonly get: (nameOrId: string) => Network;
  /** Resolves with the number of its bridge. */
  readonly up: (network: Network) => Promise<number>;
}

/** Puts a running container into another network. @throws ThawError WRONG_STATE when it is in it. */
export async function connectLive(
  { store, host, endpoints, get, up }: LiveParts,
  owner: string,
  attachment: NetworkAttachment,
  names: readonly string[],
): Promise<Endpoint> {
  const network = get(attachment.network);
  const mine = store.endpoints(owner);
  if (mine.some(({ networkId }) => networkId === network.id)) {
    throw new ThawError("WRONG_STATE", `the container is in the network ${network.name} already`);
  }
  const bridge = await up(network);
  const used = new Set(mine.map((endpoint) => endpoint.interface));
  const free = Array.from({ length: used.size + 1 }, (_, index) => `eth${index}`).find((name) => !used.has(name));
  const wish = { owner, interface: free ?? "eth0", names: namesIn(network, names), ports: [], servers: [] };
  const endpoint = endpoints.add(network, attachment, wish);
  const isGateway = !network.internal && mine.every(({ networkId }) => get(networkId).internal);
  try {
    const plan = wireLater({ endpoint, network, bridge, isGateway });
    await host.run(plan, `connecting to the network ${network.name}`, owner);
    return endpoint;
  } catch (error) {
    endpoints.remove(owner, network.id);
    throw error;
  }
}

/** Takes a running container out of a network. @throws ThawError WRONG_STATE when it is not in it. */
export async function disconnectLive(
  { store, host, endpoints, get }: LiveParts,
  owner: string,
  nameOrId: string,
): Promise<void> {
  const network = get(nameOrId);
  const endpoint = store.endpoints(owner).find(({ networkId }) => networkId === network.id);
  if (!endpoint) throw new ThawError("WRONG_STATE", `the container is not in the network ${network.name}`);
  await host.run(unwire(endpoint), `disconnecting from the network ${network.name}`, "");
  const { after } = publishOps(host.table, endpoint.ports, endpoint);
  await host.change(after);
  endpoints.remove(owner, network.id);
  const left = store.endpoints(owner).map(({ networkId }) => get(networkId));
  const out = left.find(({ internal }) => !internal);
  if (out) await host.run(wayOut(out), `finding a way out over ${out.name}`, owner);
}
