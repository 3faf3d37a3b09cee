/**
 * thaw's own table of nftables, one a daemon, as text for `nft -f`. The rules are written once; what differs is in
 * sets and maps: a network is an element of a few sets, a published port one element of a map. No other table is
 * read or changed.
 *
 *     raw          a container's packets to or from 127.0.0.0/8 are dropped: `route_localnet` is on for the bridges,
 *                  so that connections of the machine itself to 127.0.0.1 can be passed to a published port
 *     publish      destination NAT by the maps `ports4` (address and port) and `any4` (port of any address)
 *     postrouting  what leaves a subnet gets the machine's address; so does what the machine sends from 127.0.0.1,
 *                  and what a container sends to its own network's published port
 *     forward      within a network, out of one that is not internal, in to a published port; nothing else
 *     input        no gateway but the network's own; from an internal network only DNS
 *     guard        where thaw switched forwarding on, it switches it on for its bridges only
 */

import { createHash } from "node:crypto";
import { ThawError } from "../common/errors.ts";
import { exec } from "../common/exec.ts";
import type { Network } from "./types.ts";

/** All interfaces of all of thaw's daemons are called thaw-something. */
export const INTERFACE_PREFIX = "thaw";

export interface TableContent {
  readonly name: string;
  readonly networks: readonly Network[];
  /** Whether forwarding was off before thaw. */
  readonly guard: boolean;
  /** Elements of the maps: "any4", "ports4", "any6", "ports6". */
  readonly published: readonly string[];
}

const SETS = [
  ["bridges", "type ifname;", ({ bridge }: Network) => [quoted(bridge)]],
  ["outward", "type ifname;", ({ bridge, internal }: Network) => (internal ? [] : [quoted(bridge)])],
  ["inner", "type ifname;", ({ bridge, internal }: Network) => (internal ? [quoted(bridge)] : [])],
  ["same", "type ifname . ifname;", ({ bridge }: Network) => [`${quoted(bridge)} . ${quoted(bridge)}`]],
  ["nat4", "type ipv4_addr; flags interval;", ({ subnet, internal }: Network) => (internal ? [] : [subnet.cidr])],
  ["gates4", "type ipv4_addr;", ({ subnet }: Network) => [subnet.gateway]],
  ["home4", "type ifname . ipv4_addr;", ({ bridge, subnet }: Network) => [`${quoted(bridge)} . ${subnet.gateway}`]],
  [
    "nat6",
    "type ipv6_addr; flags interval;",
    ({ subnet6, internal }: Network) => (internal || !subnet6 ? [] : [subnet6.cidr]),
  ],
  ["gates6", "type ipv6_addr;", ({ subnet6 }: Network) => (subnet6 ? [subnet6.gateway] : [])],
  [
    "home6",
    "type ifname . ipv6_addr;",
    ({ bridge, subnet6 }: Network) => (subnet6 ? [`${quoted(bridge)} . ${subnet6.gateway}`] : []),
  ],
] as const;

const RULES = `
  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
  map ports4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
  map any6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
  map ports6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
  chain raw {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
    iifname @bridges ip saddr 127.0.0.0/8 drop
  }
  chain publish {
    dnat ip to ip daddr . meta l4proto . th dport map @ports4
    dnat ip to meta l4proto . th dport map @any4
    dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6
    dnat ip6 to meta l4proto . th dport map @any6
  }
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump publish
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump publish
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    oifname @bridges ip saddr 127.0.0.0/8 masquerade
    oifname @bridges ip saddr @nat4 ct status dnat masquerade
    oifname != @bridges ip saddr @nat4 masquerade
    oifname @bridges ip6 saddr @nat6 ct status dnat masquerade
    oifname != @bridges ip6 saddr @nat6 masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname . oifname @same accept
    iifname @bridges oifname @bridges drop
    oifname @outward ct state established,related accept
    oifname @outward ct status dnat accept
    oifname @bridges drop
    iifname @outward accept
    iifname @bridges drop
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname @bridges ip daddr @gates4 iifname . ip daddr != @home4 drop
    iifname @bridges ip6 daddr @gates6 iifname . ip6 daddr != @home6 drop
    iifname @inner ct state established,related accept
    iifname @inner udp dport 53 accept
    iifname @inner tcp dport 53 accept
    iifname @inner icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
    iifname @inner drop
  }`;

/** Name of an empty chain that says which rules a table was made with. */
function versionOf(guard: boolean): string {
  const text = `${RULES}${SETS.map(([name, type]) => name + type)}${guard}`;
  return `version-${createHash("sha256").update(text).digest("hex").slice(0, 8)}`;
}

/** Replaces the whole table by one with this content, at one moment. */
export function tableText(content: TableContent): string {
  const sets = SETS.map(([name, type]) => `  set ${name} { ${type} }`);
  const guard = `
  chain guard {
    type filter hook forward priority filter + 10; policy accept;
    iifname != "${INTERFACE_PREFIX}*" oifname != "${INTERFACE_PREFIX}*" drop
  }`;
  const { name } = content;
  return [
    `table inet ${name} {}`,
    `delete table inet ${name}`,
    `table inet ${name} {`,
    ...sets,
    `${RULES}${content.guard ? guard : ""}`,
    `  chain ${versionOf(content.guard)} { }`,
    "}",
    ...elementsText(content),
    ...content.published.map((element) => `add element inet ${name} ${element}`),
    "",
  ].join("\n");
}

/** Makes the sets of a table that is there say what networks there are; published ports stay. */
export function networksText(content: Pick<TableContent, "name" | "networks">): string {
  const flushes = SETS.map(([name]) => `flush set inet ${content.name} ${name}`);
  return [...flushes, ...elementsText(content), ""].join("\n");
}

/**
 * The keys of published ports ("any4 { tcp . 80 }") in a table as nft lists it; undefined when it has other rules than
 * these.
 */
export function publishedKeys(listing: string, guard: boolean): string[] | undefined {
  if (!listing.includes(`chain ${versionOf(guard)} {`)) return undefined;
  return listing.split(/^\tmap /m).flatMap((text) => {
    const name = /^(any4|any6|ports4|ports6) \{/.exec(text)?.[1];
    const elements = /elements = \{([^}]*)\}/.exec(text)?.[1] ?? "";
    if (name === undefined) return [];
    return [...elements.matchAll(/([^\s,][^,]*?) : /g)].map(([, key = ""]) => `${name} { ${withProtocolName(key)} }`);
  });
}

/** Without an /etc/protocols nft has numbers for names. */
function withProtocolName(key: string): string {
  return key.replace(/\b6 \. (\d+)$/, "tcp . $1").replace(/\b17 \. (\d+)$/, "udp . $1");
}

/** Takes published ports out of the maps; all of them must be there. */
export function withdrawText(name: string, keys: readonly string[]): string {
  return keys.map((key) => `delete element inet ${name} ${key}\n`).join("");
}

function elementsText({ name, networks }: Pick<TableContent, "name" | "networks">): string[] {
  return SETS.flatMap(([set, , of]) => {
    const elements = networks.flatMap((network): readonly string[] => of(network));
    return elements.length === 0 ? [] : [`add element inet ${name} ${set} { ${elements.join(", ")} }`];
  });
}

function quoted(name: string): string {
  return `"${name}"`;
}

/** Runs nft. Rare: a network is made or removed, a daemon starts or stops. @throws ThawError DEPENDENCY_MISSING, UNSUPPORTED_MACHINE. */
export async function nft(script: string): Promise<string> {
  if (Bun.which("nft", NFT_ENV) === null) {
    throw new ThawError("DEPENDENCY_MISSING", "networks need the program nft, which is not here", {
      hint: "Install the package nftables, or run the container with --network none or host.",
    });
  }
  const { exitCode, stdout, stderr } = await exec(["nft", "-f", "-"], {
    stdin: Buffer.from(script),
    env: NFT_ENV,
  });
  if (exitCode === 0) return stdout;
  throw new ThawError("UNSUPPORTED_MACHINE", `nftables refused thaw's rules: ${stderr.trim().slice(0, 500)}`, {
    hint: "The kernel needs nf_tables with NAT and concatenated maps (Linux 5.10 or later).",
  });
}

/** Finds nft, whatever the daemon was started with. */
export const NFT_ENV = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" };
