/** Texts of /etc/hosts and /etc/resolv.conf as the options want them. */
import type { Isolation } from "./isolation.ts";

/** The address that stands for the host in `name:host-gateway`. */
export const HOST_GATEWAY = "host-gateway";

/**
 * The text of /etc/hosts.
 * @param gateway  what `host-gateway` means here; undefined: such entries are left out.
 * @param addresses  the container's own, for its name; without any its name means itself alone.
 */
export function hostsText(
  hostname: string,
  isolation: Isolation,
  gateway: string | undefined,
  addresses: readonly string[] = [],
): string {
  const { domainname, extraHosts = [] } = isolation;
  const names = domainname ? `${hostname}.${domainname} ${hostname}` : hostname;
  const local = addresses.length === 0 ? `127.0.0.1\tlocalhost ${names}` : "127.0.0.1\tlocalhost";
  const own = addresses.map((address) => `${address}\t${names}`);
  const lines = [local, "::1\tlocalhost ip6-localhost ip6-loopback", ...own];
  for (const entry of extraHosts) {
    const [name, given] = splitHost(entry);
    const address = given === HOST_GATEWAY ? gateway : given;
    if (address !== undefined) lines.push(`${address}\t${name}`);
  }
  return `${lines.join("\n")}\n`;
}

/** `name:address`, of which the address may have colons and brackets. */
export function splitHost(entry: string): [name: string, address: string] {
  const at = entry.search(/[:=]/);
  return [entry.slice(0, at), entry.slice(at + 1).replace(/^\[(.*)\]$/, "$1")];
}

/**
 * The text of /etc/resolv.conf: each kind of line that is asked for takes the place of those of `base`.
 * @param base  the machine's, or undefined where it is of no use. Undefined is returned when nothing is to be written.
 */
export function resolverText(base: string | undefined, isolation: Isolation): string | undefined {
  const { dns = [], dnsSearch = [], dnsOptions = [] } = isolation;
  if (dns.length + dnsSearch.length + dnsOptions.length === 0) return base;
  const replaced = [
    ...(dns.length > 0 ? ["nameserver"] : []),
    ...(dnsSearch.length > 0 ? ["search", "domain"] : []),
    ...(dnsOptions.length > 0 ? ["options"] : []),
  ];
  const kept = (base ?? "").split("\n").filter((line) => line !== "" && !replaced.includes(line.split(/\s/)[0] ?? ""));
  // A search of "." says: none.
  const search = dnsSearch.includes(".") ? [] : dnsSearch;
  const lines = [
    ...dns.map((address) => `nameserver ${address}`),
    ...(search.length > 0 ? [`search ${search.join(" ")}`] : []),
    ...(dnsOptions.length > 0 ? [`options ${dnsOptions.join(" ")}`] : []),
  ];
  return `${[...kept, ...lines].join("\n")}\n`;
}
