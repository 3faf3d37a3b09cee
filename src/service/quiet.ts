/**
 * Waiting until the connections of the warm-up have vanished from a service, so that it is not dumped with them. The
 * kernel announces no closed socket of another process: for a moment they are looked at.
 */
import { readdir, readFile, readlink } from "node:fs/promises";

/** How long connections may take to end, ms. */
const QUIET_MS = 500;
/** How long a program may keep the descriptor of one that has ended: Java lets go of them when its selector next turns. */
const RELEASE_MS = 2000;
const STEP_MS = 5;
/** States in /proc/net/tcp: TIME_WAIT and LISTEN. */
const IDLE = new Set(["06", "0A"]);
/** All tables of sockets that say which inode each has. */
const TABLES = ["tcp", "tcp6", "udp", "udp6", "unix", "netlink", "raw", "raw6", "packet"];

/** Resolves when the process has no connection any more, or keeps them for too long. @param pid  the host's. */
export async function untilQuiet(pid: number): Promise<void> {
  await upTo(QUIET_MS, async () => (await openConnections(pid)) === 0);
  await upTo(RELEASE_MS, async () => (await endedSockets(pid)) === 0);
}

async function upTo(limitMs: number, isQuiet: () => Promise<boolean>): Promise<void> {
  for (let waited = 0; waited < limitMs; waited += STEP_MS) {
    if (await isQuiet()) return;
    await Bun.sleep(STEP_MS);
  }
}

/** Lines of /proc/net/tcp are: slot, local address, remote address, state in hex... */
async function openConnections(pid: number): Promise<number> {
  const lines = (await Promise.all(["tcp", "tcp6"].map((name) => table(pid, name)))).flat();
  return lines.filter((line) => !IDLE.has(line.trim().split(/\s+/)[3] ?? "0A")).length;
}

/** Descriptors of sockets that are in no table: not yet anything, or not any more. */
async function endedSockets(pid: number): Promise<number> {
  const names = await readdir(`/proc/${pid}/fd`).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")));
  const inodes = links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
  if (inodes.length === 0) return 0;
  const known = new Set(
    (await Promise.all(TABLES.map((name) => table(pid, name)))).flat().flatMap((l) => l.split(/\s+/)),
  );
  return inodes.filter((inode) => !known.has(inode)).length;
}

async function table(pid: number, name: string): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/net/${name}`, "utf8").catch(() => "");
  return text.trim().split("\n").slice(1);
}

/**
 * Connections that were accepted since the namespace was made: PassiveOpens of the Tcp lines in /proc/PID/net/snmp. 0 when the
 * process is gone.
 */
export async function acceptedConnections(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/net/snmp`, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line.startsWith("Tcp:"));
  const [names = [], values = []] = lines.map((line) => line.split(" "));
  return Number(values[names.indexOf("PassiveOpens")] ?? 0);
}
