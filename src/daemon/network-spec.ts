/** From an API request to the networks of a container, and to a network. */
import type { CreateRequest } from "../api/containers.ts";
import type { EndpointConfig, NetworkCreateRequest } from "../api/networks.ts";
import { ThawError } from "../common/errors.ts";
import { DEFAULT_NETWORK, type NetworkAttachment, type NetworkChoice, type NetworkSpec } from "../network/index.ts";

const MTU = "com.docker.network.driver.mtu";
const IPV6 = "com.docker.network.enable_ipv6";

/** The network of NetworkMode comes first, and with it eth0; then those that NetworkingConfig names besides. */
export function networkChoice({ HostConfig, NetworkingConfig }: CreateRequest): NetworkChoice {
  const mode = HostConfig?.NetworkMode || "default";
  const configs = new Map(
    Object.entries(NetworkingConfig?.EndpointsConfig ?? {}).map(([name, config]) => [usual(name), config]),
  );
  if (mode === "none" || mode === "host") {
    const others = [...configs.keys()].filter((name) => name !== mode);
    if (others.length === 0) return { mode, attachments: [] };
    throw new ThawError("INVALID", `a container with the network ${mode} cannot be in ${others.join(", ")} too`);
  }
  const names = new Set([usual(mode), ...configs.keys()]);
  return { mode: "bridge", attachments: [...names].map((name) => attachment(name, configs.get(name))) };
}

function usual(name: string): string {
  return name === "default" || name === "" ? DEFAULT_NETWORK : name;
}

/** A container's wish for one network. */
export function attachment(network: string, config: EndpointConfig | null | undefined): NetworkAttachment {
  return {
    network,
    aliases: config?.Aliases ?? [],
    ip: config?.IPAMConfig?.IPv4Address ?? undefined,
    ip6: config?.IPAMConfig?.IPv6Address ?? undefined,
    mac: config?.MacAddress ?? undefined,
  };
}

/** @throws ThawError INVALID for more than one subnet of a kind. */
export function networkSpec(request: NetworkCreateRequest): NetworkSpec {
  const subnets = request.IPAM?.Config ?? [];
  const isV6 = (text: string | null | undefined) => text?.includes(":") === true;
  const v6 = subnets.filter(({ Subnet, Gateway }) => isV6(Subnet) || isV6(Gateway));
  const v4 = subnets.filter((subnet) => !v6.includes(subnet));
  if (v4.length > 1 || v6.length > 1) {
    throw new ThawError("INVALID", "a network has one subnet of IPv4 and one of IPv6 at most");
  }
  const mtu = request.Options?.[MTU];
  return {
    name: request.Name,
    subnet: v4[0]?.Subnet ?? undefined,
    gateway: v4[0]?.Gateway ?? undefined,
    ipv6: request.EnableIPv6 === true || request.Options?.[IPV6] === "true" || v6.length > 0,
    subnet6: v6[0]?.Subnet ?? undefined,
    gateway6: v6[0]?.Gateway ?? undefined,
    internal: request.Internal ?? false,
    mtu: mtu === undefined ? undefined : Number(mtu),
    labels: request.Labels ?? {},
  };
}
