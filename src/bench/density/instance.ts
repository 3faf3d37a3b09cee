/** One running instance: whether it listens, whether it answers, what it holds. */
import { readFileSync } from "node:fs";
import { ThawError } from "../../common/errors.ts";
import { exec } from "../../common/exec.ts";

export interface Instance {
  readonly id: string;
  readonly pid: number;
}

const LIMIT_MS = 60_000;
/** Port 8000 of any address, listening, as /proc/net/tcp has it. */
const LISTENS = /^ *\d+: [0-9A-F]{8}:1F40 [0-9A-F]{8}:0000 0A /m;

/** Resolves as soon as its program listens: nobody tells, so it is looked at. @throws ThawError NOT_READY. */
export async function untilListening({ pid }: Instance): Promise<void> {
  for (const from = performance.now(); performance.now() - from < LIMIT_MS; await Bun.sleep(1)) {
    if (LISTENS.test(tcpTable(pid))) return;
  }
  throw new ThawError("NOT_READY", "an instance does not listen");
}

function tcpTable(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/net/tcp`, "utf8");
  } catch {
    throw new ThawError("NOT_READY", "an instance has ended");
  }
}

const REQUEST = String.raw`exec 3<>/dev/tcp/127.0.0.1/8000
printf 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' >&3
cat <&3`;

/** Asks it from within its own network. @throws ThawError NOT_READY when it does not answer with the number wanted. */
export async function expectAnswer({ pid }: Instance, wanted: number): Promise<void> {
  const { stdout, stderr } = await exec(["nsenter", "--net", "--target", String(pid), "bash", "-c", REQUEST]);
  if (stdout.startsWith("HTTP/1.1 200 ") && stdout.endsWith(`\r\n\r\n${wanted}\n`)) return;
  throw new ThawError("NOT_READY", `an instance answers wrong: expected ${wanted}, got ${stdout || stderr}`);
}
