/**
 * Answers to questions about names of containers. Who asks is known by the address that the question came from: a
 * container learns the names of the networks that it is in, with the addresses that it can reach, and no others.
 */
import type { Answer, Question } from "dns-packet";
import ipaddr from "ipaddr.js";
import type { Endpoint, Network } from "../types.ts";

/** Containers come and go: nobody shall remember their addresses. */
const TTL = 0;

/** What can be looked up. */
export interface NameTable {
  endpoints(owner?: string): readonly Endpoint[];
  network(id: string): Network | undefined;
}

/** The endpoint that has an address, or undefined. */
export function endpointAt(table: NameTable, address: string): Endpoint | undefined {
  const plain = normal(address);
  return table.endpoints().find(({ ip, ip6 }) => ip === plain || (ip6 !== undefined && ip6 === plain));
}

/** Records for a question; undefined when no container is meant and others have to be asked. */
export function answersTo(table: NameTable, asker: Endpoint, { type, name }: Question): Answer[] | undefined {
  const networks = new Set(table.endpoints(asker.owner).map(({ networkId }) => networkId));
  const visible = table.endpoints().filter(({ networkId, names }) => networks.has(networkId) && names.length > 0);
  const wanted = name.toLowerCase().replace(/\.$/, "");
  if (wanted.endsWith(".arpa")) return type === "PTR" ? pointer(table, visible, name, wanted) : undefined;
  const found = visible.filter((endpoint) => isNamed(table, endpoint, wanted));
  if (found.length === 0) return undefined;
  // The name is there: what it has no record of does not exist elsewhere either.
  if (type === "A") return found.map(({ ip }) => ({ type, name, ttl: TTL, data: ip }));
  if (type !== "AAAA") return [];
  return found.flatMap(({ ip6 }) => (ip6 === undefined ? [] : [{ type, name, ttl: TTL, data: ip6 }]));
}

/** "web", or "web.NETWORK". */
function isNamed(table: NameTable, { names, networkId }: Endpoint, wanted: string): boolean {
  const network = table.network(networkId)?.name.toLowerCase();
  return names.some((own) => wanted === own || wanted === `${own}.${network}`);
}

function pointer(table: NameTable, visible: readonly Endpoint[], name: string, wanted: string): Answer[] | undefined {
  const address = reversed(wanted);
  const found = visible.find(({ ip, ip6 }) => address !== undefined && (ip === address || ip6 === address));
  if (!found) return undefined;
  const network = table.network(found.networkId)?.name;
  return [{ type: "PTR", name, ttl: TTL, data: `${found.names[0]}.${network}` }];
}

/** The address that "4.3.2.1.in-addr.arpa" or 32 digits under ip6.arpa stand for. */
function reversed(name: string): string | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1];
  if (v4 !== undefined) return normal(v4.split(".").filter(Boolean).reverse().join("."));
  const digits = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1]?.split(".").filter(Boolean).reverse().join("");
  return digits === undefined ? undefined : normal((digits.match(/.{4}/g) ?? []).join(":"));
}

/** An address in the one way that the store writes it; IPv4 in IPv6's clothes is IPv4. */
function normal(address: string): string | undefined {
  const bare = address.replace(/%.*$/, "");
  return ipaddr.isValid(bare) ? ipaddr.process(bare).toString() : undefined;
}
