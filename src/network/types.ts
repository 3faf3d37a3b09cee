/**
 * Networks as the rest of thaw sees them. A bridge network is a bridge of the host, a subnet, and rules in thaw's own
 * nftables table; a container in it has one end of a veth pair, an address, and, outside of the default network, a
 * name that the others of the network can look up.
 */

/** The network that containers are in that ask for no other. */
export const DEFAULT_NETWORK = "bridge";

/** What a new network may be asked to be. */
export interface NetworkSpec {
  readonly name: string;
  /** "10.1.2.0/24"; chosen when undefined. */
  readonly subnet: string | undefined;
  readonly gateway: string | undefined;
  readonly ipv6: boolean;
  readonly subnet6: string | undefined;
  readonly gateway6: string | undefined;
  /** No way in or out: its containers reach each other and nothing else. */
  readonly internal: boolean;
  /** Bytes of a packet; what the machine's own way out has when undefined. */
  readonly mtu: number | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

/** A subnet with the host's own address in it. */
export interface Subnet {
  /** The network's address and prefix: "10.1.2.0/24". */
  readonly cidr: string;
  readonly gateway: string;
}

/** A bridge network. */
export interface Network {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly subnet: Subnet;
  readonly subnet6: Subnet | undefined;
  readonly internal: boolean;
  readonly mtu: number;
  /** Name of its bridge. */
  readonly bridge: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}

/** How a container wants to be in a network. */
export interface NetworkAttachment {
  /** Name or id of a bridge network. */
  readonly network: string;
  readonly aliases: readonly string[];
  /** An address of its choice. */
  readonly ip: string | undefined;
  readonly ip6: string | undefined;
  /** "02:42:..."; made of the address when undefined. */
  readonly mac: string | undefined;
}

/** The network of a container: none (loopback alone), the host's own, or bridge networks, eth0 first. */
export interface NetworkChoice {
  readonly mode: "none" | "host" | "bridge";
  readonly attachments: readonly NetworkAttachment[];
}

/** A container's place in one network, as long as it runs. */
export interface Endpoint {
  readonly networkId: string;
  /** Id of its container, or of whatever holds the addresses. */
  readonly owner: string;
  /** eth0, eth1... */
  readonly interface: string;
  /** The other end of it, on the bridge. */
  readonly veth: string;
  readonly ip: string;
  readonly ip6: string | undefined;
  readonly mac: string;
  /** Lower-case names that resolve to it, the container's own first. */
  readonly names: readonly string[];
  /** Ports of the host that are passed to it. */
  readonly ports: readonly PublishedPort[];
  /** Name servers that its questions are passed on to; the machine's when there are none. */
  readonly servers?: readonly string[];
}

/** Networks as the API needs them. */
export interface NetworkManager {
  list(): Network[];
  /** By name, id, or unambiguous prefix of an id. @throws ThawError NETWORK_NOT_FOUND. */
  get(nameOrId: string): Network;
  /** Makes a network, up. @throws ThawError NAME_IN_USE, INVALID, IN_USE, DEPENDENCY_MISSING; nothing is left then. */
  create(spec: NetworkSpec): Promise<Network>;
  /** @throws ThawError NETWORK_NOT_FOUND, IN_USE, INVALID for the default one. */
  remove(nameOrId: string): Promise<Network>;
  /** A container's places, eth0 first; none while it does not run. */
  endpointsOf(owner: string): readonly Endpoint[];
  endpointsIn(network: Network): Endpoint[];
  /** Takes all bridges and the rules away; the networks come back with the next daemon. */
  takeDown(): Promise<void>;
}

/** A port of the host that is passed to a container. */
export interface PublishedPort {
  readonly hostAddress: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp";
}
