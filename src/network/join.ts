/** A container's way into its networks: what it wants, and what it gets for its plan. */
import type { Database } from "bun:sqlite";
import { ThawError } from "../common/errors.ts";
import type { ChildOp } from "../launcher/generated/protocol.ts";
import type { LauncherClient } from "../launcher/index.ts";
import { type PublishOps, publishOps } from "./published.ts";
import { needsNameServer, resolverText } from "./resolver.ts";
import { DEFAULT_NETWORK, type Endpoint, type Network, type NetworkAttachment, type PublishedPort } from "./types.ts";
import { type Wire, wiring } from "./wiring.ts";

/** What networks are made of. */
export interface NetworksParts {
  readonly database: Database;
  readonly launcher: LauncherClient;
  readonly runDirectory: string;
  readonly log: (line: string) => void;
  /** Ends what was made ahead in a network. */
  readonly evict?: (network: string) => Promise<void>;
  /** Whether an owner of places has its published ports by now; always when not given. */
  readonly holds?: (owner: string) => boolean;
}

/** What a container wants of its networks. */
export interface JoinRequest {
  readonly attachments: readonly NetworkAttachment[];
  /** Names that it has in user-made networks, beside its aliases. */
  readonly names: readonly string[];
  readonly ports: readonly PublishedPort[];
  /** Name servers instead of the machine's. */
  readonly servers?: readonly string[];
  /** A sandbox that was made ahead and shall be its own: it takes over that one's place. */
  readonly from?: string | undefined;
}

/** A container's place in its networks, as operations for its plan. */
export interface Joined extends PublishOps {
  readonly endpoints: readonly Endpoint[];
  /** The wiring is the one of a sandbox that was made ahead. */
  readonly isAhead: boolean;
  /** Inside the new namespace. */
  readonly wiring: readonly ChildOp[];
  /** The host's address, where the container may reach it. */
  readonly gateway: string | undefined;
  /** Text of /etc/resolv.conf. */
  readonly resolver: string;
  /** It names the daemon, which asks the container's own servers in turn. */
  readonly isAnswered: boolean;
}

/** @param out  which of the wires is the way out and gets the published ports. */
export function joinedBy(wires: readonly Wire[], out: number, table: string, isAhead = false): Joined {
  const main = wires[out];
  if (!main) throw new ThawError("INTERNAL", "a container without a network asked for its place in one");
  // A network with names answers for all that the container is in; the default one's does not.
  const named = wires.find(({ network }) => network.name !== DEFAULT_NETWORK) ?? main;
  return {
    endpoints: wires.map(({ endpoint }) => endpoint),
    wiring: wiring(wires),
    isAhead,
    gateway: main.network.internal ? undefined : main.network.subnet.gateway,
    resolver: resolverText(named.network),
    isAnswered: needsNameServer(named.network),
    ...publishOps(table, main.endpoint.ports, main.endpoint),
  };
}

/** Whether any place in that network will do. */
export function isPlain({ ip, ip6, mac }: NetworkAttachment): boolean {
  return ip === undefined && ip6 === undefined && mac === undefined;
}

/** Names are looked up in networks that somebody made, not in the default one. */
export function namesIn(network: Network, names: readonly string[]): readonly string[] {
  return network.name === DEFAULT_NETWORK ? [] : names;
}
