/** From what a network is asked to be to what it is: checked, and completed with what was left open. */
import { randomBytes } from "node:crypto";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import { parseSubnet, type Range } from "./address.ts";
import { askedSubnet, checkMtu, freeSubnet, localSubnet6, outwardMtu } from "./choose.ts";
import type { HostNetworks } from "./host.ts";
import { DEFAULT_NETWORK, type Network, type NetworkSpec, type Subnet } from "./types.ts";

/** Names that mean something else. */
const RESERVED = ["none", "host", "default", "container", "bridge"];
const SUBNETS = 256;
const SUBNET6_DIGITS = 14;

interface Taken {
  readonly range: Range;
  readonly words: string;
}

/** The network that containers are in that ask for no other. */
export function defaultSpec(): NetworkSpec {
  return {
    name: DEFAULT_NETWORK,
    subnet: undefined,
    gateway: undefined,
    ipv6: false,
    subnet6: undefined,
    gateway6: undefined,
    internal: false,
    mtu: undefined,
    labels: {},
  };
}

/** @throws ThawError NAME_IN_USE, INVALID, IN_USE. */
export function newNetwork(spec: NetworkSpec, all: readonly Network[], host: HostNetworks): Network {
  checkName(spec.name, all);
  const taken = all.flatMap(({ name, subnet, subnet6 }) =>
    [subnet, ...(subnet6 ? [subnet6] : [])].map(({ cidr }): Taken => {
      return { range: parseSubnet(cidr), words: `the network ${name}` };
    }),
  );
  const id = randomBytes(32).toString("hex");
  return {
    id,
    name: spec.name,
    subnet: subnet4(spec, taken, host),
    subnet6: subnet6(spec, taken, id),
    internal: spec.internal,
    mtu: spec.mtu === undefined ? outwardMtu() : checkMtu(spec.mtu, spec.ipv6),
    bridge: bridgeName(all, host),
    labels: spec.labels,
    createdAt: Date.now(),
  };
}

function checkName(name: string, all: readonly Network[]): void {
  if (all.some((network) => network.name === name)) {
    throw new ThawError("NAME_IN_USE", `a network ${show(name)} is there already`, {
      hint: `Choose another name, or remove it: thaw network rm ${name}`,
    });
  }
  if (name !== DEFAULT_NETWORK && RESERVED.includes(name)) {
    throw new ThawError("INVALID", `${name} cannot be the name of a network`, { hint: "Choose another one." });
  }
}

function subnet4({ subnet, gateway }: NetworkSpec, taken: readonly Taken[], host: HostNetworks): Subnet {
  if (subnet !== undefined) return askedSubnet(4, subnet, gateway, taken);
  if (gateway !== undefined) {
    throw new ThawError("INVALID", `the gateway ${gateway} needs a subnet that it is in`, {
      hint: "Give --subnet too.",
    });
  }
  return freeSubnet(
    taken.map(({ range }) => range),
    host.spread(SUBNETS),
  );
}

function subnet6(spec: NetworkSpec, taken: readonly Taken[], id: string): Subnet | undefined {
  if (!spec.ipv6) return undefined;
  if (spec.subnet6 === undefined) return localSubnet6(id.slice(0, SUBNET6_DIGITS));
  return askedSubnet(6, spec.subnet6, spec.gateway6, taken);
}

function bridgeName(all: readonly Network[], host: HostNetworks): string {
  const used = new Set(all.map(({ bridge }) => bridge));
  let index = 0;
  while (used.has(host.bridgeName(index))) index++;
  return host.bridgeName(index);
}
