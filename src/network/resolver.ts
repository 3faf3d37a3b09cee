/** What a container's /etc/resolv.conf says, and whom the daemon's own name server asks. */
import { readFileSync } from "node:fs";
import { DEFAULT_NETWORK, type Network } from "./types.ts";

const RESOLV_CONF = "/etc/resolv.conf";

/** Addresses of the machine's name servers. */
export function hostNameServers(): string[] {
  return lines("nameserver").flatMap((line) => line.split(/\s+/)[1] ?? []);
}

/** Those of them that a container can reach: the machine's loopback it cannot. */
function reachable(): string[] {
  return hostNameServers().filter((address) => !/^(127\.|::1$)/.test(address) && !address.includes("%"));
}

/** Whether the daemon answers the names of a network: it has names of its own, or nobody else can be reached. */
export function needsNameServer({ name }: Network): boolean {
  return name !== DEFAULT_NETWORK || reachable().length === 0;
}

/** The text of resolv.conf for a container whose first network is this one. */
export function resolverText(network: Network): string {
  const servers = needsNameServer(network) ? [network.subnet.gateway] : reachable();
  const rest = [...lines("search"), ...lines("options")];
  return [...servers.map((server) => `nameserver ${server}`), ...rest, ""].join("\n");
}

function lines(word: string): string[] {
  try {
    return readFileSync(RESOLV_CONF, "utf8")
      .split("\n")
      .map((line) => line.trim())
      .filter((line) => line.startsWith(`${word} `) || line.startsWith(`${word}\t`));
  } catch {
    return [];
  }
}
