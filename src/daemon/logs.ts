/**
 * A container's log as the API sends it: chosen streams, the last lines, a time range, time stamps, and Docker's
 * framing unless the container has a terminal.
 */
import { stdcopyFrame } from "../api/stdcopy.ts";
import type { Container, ContainerManager, LogRecord } from "../container/types.ts";

export interface LogQuery {
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly follow: boolean;
  readonly timestamps: boolean;
  /** Lines; undefined for all. */
  readonly tail?: number | undefined;
  /** Seconds since the epoch, with a fraction if any. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const NEWLINE = 10;
const encoder = new TextEncoder();

/** The log as chunks for the wire. With `follow` it ends when the container does. */
export async function* logOutput(
  containers: ContainerManager,
  container: Container,
  query: LogQuery,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const wanted = recordFilter(query);
  const tail = query.tail === undefined ? {} : { tail: query.tail };
  const stamp = new LineStamper();
  for await (const record of containers.logs(container.id, { follow: query.follow, ...tail, signal })) {
    if (!wanted(record)) continue;
    const bytes = query.timestamps ? stamp.stamp(record) : record.bytes;
    yield container.spec.tty ? bytes : stdcopyFrame(record.stream, bytes);
  }
}

function recordFilter({ stdout, stderr, since, until }: LogQuery): (record: LogRecord) => boolean {
  const from = nanoseconds(since);
  const to = nanoseconds(until);
  return ({ stream, atNs }) =>
    (stream === "stdout" ? stdout : stderr) && (from === undefined || atNs >= from) && (to === undefined || atNs <= to);
}

/** Nothing and "0" mean no bound, as Docker's clients send them. */
function nanoseconds(seconds: string | undefined): bigint | undefined {
  const [whole = "", fraction = ""] = (seconds ?? "").split(".");
  const total = BigInt(whole || "0") * 1_000_000_000n + BigInt(fraction.padEnd(9, "0"));
  return total === 0n ? undefined : total;
}

/** Puts a time before each line, of each stream on its own. */
class LineStamper {
  readonly #midLine = { stdout: false, stderr: false };

  stamp({ stream, atNs, bytes }: LogRecord): Uint8Array {
    const prefix = encoder.encode(`${timeText(atNs)} `);
    const parts: Uint8Array[] = [];
    for (let at = 0; at < bytes.length; ) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (!this.#midLine[stream]) parts.push(prefix);
      parts.push(bytes.subarray(at, end));
      this.#midLine[stream] = newline < 0;
      at = end;
    }
    return Buffer.concat(parts);
  }
}

/** RFC 3339 with nanoseconds. */
function timeText(atNs: bigint): string {
  const seconds = new Date(Number(atNs / 1_000_000n)).toISOString().slice(0, 19);
  return `${seconds}.${String(atNs % 1_000_000_000n).padStart(9, "0")}Z`;
}
