/** What procfs says about the TCP connections in a container's network namespace. Its answers are counts of all of it. */
import { readFile } from "node:fs/promises";

/** How long closed connections may take to vanish before a dump is made with them, ms. */
const QUIET_MS = 500;
const QUIET_STEP_MS = 5;

/**
 * Waits a moment for connections to end. The kernel announces no closed socket of another process, so they are looked
 * at.
 */
export async function untilQuiet(pid: number): Promise<void> {
  for (let waited = 0; waited < QUIET_MS; waited += QUIET_STEP_MS) {
    if ((await openConnections(pid)) === 0) return;
    await Bun.sleep(QUIET_STEP_MS);
  }
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

/** Lines of /proc/net/tcp are: slot, local address, remote address, state in hex... */
async function openConnections(pid: number): Promise<number> {
  const idle = new Set(["06", "0A"]); // TIME_WAIT and LISTEN
  const tables = ["tcp", "tcp6"].map((name) => readFile(`/proc/${pid}/net/${name}`, "utf8").catch(() => ""));
  const lines = (await Promise.all(tables)).flatMap((table) => table.trim().split("\n").slice(1));
  return lines.filter((line) => !idle.has(line.trim().split(/\s+/)[3] ?? "0A")).length;
}
