/**
 * Established TCP connections of a container that is dumped with them. Whoever is at the other end sees the end of the
 * dumped container, or goes on without what was sent meanwhile, and a restored container has other addresses: so only
 * those can be kept that have both ends in the container and its loopback addresses.
 */
import { readdir, readFile, readlink } from "node:fs/promises";

/** A line of /proc/net/tcp. */
interface Socket {
  /** ADDRESS:PORT in the kernel's digits, IPv4 ones as mapped into IPv6. */
  readonly local: string;
  readonly remote: string;
  readonly state: number;
  readonly inode: string;
}

/** TCP states of /proc/net/tcp: in these there is another end. */
const CONNECTED = new Set([0x01, 0x04, 0x05, 0x08, 0x09, 0x0b]);

const MAPPED = "0000000000000000FFFF0000";
const IPV6_LOOPBACK = "00000000000000000000000001000000";

/** Reasons why connections of these processes (host pids of one container) cannot be kept. */
export async function unkeptConnections(processes: readonly number[]): Promise<string[]> {
  const [main] = processes;
  if (main === undefined) return [];
  const own = new Set((await Promise.all(processes.map(socketInodes))).flat());
  const tables = await Promise.all(["tcp", "tcp6"].map((name) => readFile(`/proc/${main}/net/${name}`, "utf8")));
  return unkept(tables.flatMap(parseSockets), own);
}

/** The same of tables that were read. */
export function unkept(sockets: readonly Socket[], own: ReadonlySet<string>): string[] {
  const connected = sockets.filter(({ state, inode }) => CONNECTED.has(state) && own.has(inode));
  const ends = new Set(connected.map(({ local, remote }) => `${local} ${remote}`));
  return connected.flatMap(({ local, remote }) => {
    const shown = `the connection ${show(local)} - ${show(remote)}`;
    if (!ends.has(`${remote} ${local}`)) return [`${shown} has its other end outside of the checkpoint`];
    return isLoopback(local) && isLoopback(remote) ? [] : [`${shown} has an address that a restored container has not`];
  });
}

/** The text of /proc/net/tcp or tcp6. */
export function parseSockets(text: string): Socket[] {
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 10)
    .map((fields) => ({
      local: general(fields[1] ?? ""),
      remote: general(fields[2] ?? ""),
      state: Number.parseInt(fields[3] ?? "", 16),
      inode: fields[9] ?? "",
    }));
}

async function socketInodes(pid: number): Promise<string[]> {
  const fds = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const targets = await Promise.all(fds.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => "")));
  return targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
}

function general(end: string): string {
  return end.length === "00000000:0000".length ? MAPPED + end : end;
}

function isLoopback(end: string): boolean {
  const [address = ""] = end.split(":");
  // Words of 32 bits in this machine's order: the first byte of an IPv4 address comes last.
  return address === IPV6_LOOPBACK || (address.startsWith(MAPPED) && address.endsWith("7F"));
}

function show(end: string): string {
  const [address = "", port = ""] = end.split(":");
  const bytes = (address.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const numbers = bytes.map((byte) => Number.parseInt(byte, 16));
  const text = address.startsWith(MAPPED) ? numbers.slice(-4).join(".") : `[${groups(bytes)}]`;
  return `${text}:${Number.parseInt(port, 16)}`;
}

function groups(bytes: readonly string[]): string {
  const joined = bytes.join("").toLowerCase();
  return (joined.match(/.{4}/g) ?? []).map((group) => group.replace(/^0{1,3}/, "")).join(":");
}
