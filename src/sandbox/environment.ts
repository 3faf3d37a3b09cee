/** The environment variables and the files of /etc that a container gets from thaw and not from its image. */
import { existsSync, readFileSync, statSync } from "node:fs";
import type { ChildOp } from "../launcher/generated/protocol.ts";
import { hostsText, resolverText } from "./etc.ts";
import type { Isolation } from "./isolation.ts";
import type { SandboxNetwork } from "./network.ts";

const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const RESOLV_CONF = "/etc/resolv.conf";
/** How the host is reached from a network; undefined: not at all. */
const GATEWAYS = { host: "127.0.0.1", none: undefined } as const;
const LARGEST_RESOLV_CONF = 1 << 16;

export interface EnvironmentOptions {
  readonly env: readonly string[];
  readonly home: string;
  readonly hostname: string;
  readonly tty: boolean;
}

/** `env` with PATH, HOSTNAME, HOME and, on a terminal, TERM added where it does not set them. Later ones win. */
export function containerEnv(options: EnvironmentOptions): string[] {
  const variables = new Map([
    ["PATH", DEFAULT_PATH],
    ["HOSTNAME", options.hostname],
    ["HOME", options.home],
    ...(options.tty ? [["TERM", "xterm"] as const] : []),
  ]);
  for (const entry of options.env) {
    const at = entry.indexOf("=");
    if (at > 0) variables.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return [...variables].map(([name, value]) => `${name}=${value}`);
}

/** Writes /etc/hostname, /etc/hosts and, where names can be looked up or it is asked for, /etc/resolv.conf. */
export function etcFiles(hostname: string, network: SandboxNetwork, isolation: Isolation = {}): ChildOp[] {
  const wired = typeof network === "string" ? undefined : network;
  const gateway = typeof network === "string" ? GATEWAYS[network] : network.gateway;
  const files = [
    writeFile("/etc/hostname", `${hostname}\n`),
    writeFile("/etc/hosts", hostsText(hostname, isolation, gateway, wired?.addresses)),
  ];
  const asked = wired?.isAnswered ? { ...isolation, dns: [] } : isolation;
  const resolver = resolverText(network === "host" ? hostResolver() : wired?.resolver, asked);
  return resolver === undefined ? files : [...files, writeFile(RESOLV_CONF, resolver)];
}

function hostResolver(): string | undefined {
  if (!existsSync(RESOLV_CONF) || statSync(RESOLV_CONF).size > LARGEST_RESOLV_CONF) return undefined;
  return readFileSync(RESOLV_CONF, "utf8");
}

function writeFile(path: string, text: string): ChildOp {
  return { kind: "write_file", path, data: new TextEncoder().encode(text), mode: 0o644 };
}
