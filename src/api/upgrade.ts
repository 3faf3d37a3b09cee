/**
 * A client's request that turns its connection into a byte stream in both directions, as attach and run do. Written on
 * a plain socket, because fetch cannot do it.
 */
import { ThawError } from "../common/errors.ts";
import { UnixSocket } from "../common/unix-socket.ts";
import { errorFromBody } from "./errors.ts";

export interface UpgradeOptions {
  /** Sent right behind the request's head, with a newline after it. */
  readonly firstLine?: string;
  /** Called with what comes after the answer's head. */
  readonly onData: (bytes: Uint8Array) => void;
}

export interface UpgradedStream {
  /** Resolves when the connection has ended, however that came. */
  readonly done: Promise<void>;
  /** Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends this direction; the other goes on. */
  end(): void;
  /** Reads no more until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

const HEAD_END = "\r\n\r\n";
const MAX_ANSWER_BYTES = 1 << 20;

/** Resolves when the daemon has agreed. @throws ThawError as the daemon says, DAEMON_UNREACHABLE; the system's error when nobody listens. */
export async function upgradeStream(
  socketPath: string,
  path: string,
  { firstLine, onData }: UpgradeOptions,
): Promise<UpgradedStream> {
  const agreed = Promise.withResolvers<void>();
  const done = Promise.withResolvers<void>();
  let head: Buffer | undefined = Buffer.alloc(0);
  const take = (chunk: Uint8Array) => {
    if (head === undefined) return onData(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(HEAD_END);
    if (head.length > MAX_ANSWER_BYTES) socket.close();
    if (end < 0 || statusOf(head) !== 101) return;
    const rest = head.subarray(end + HEAD_END.length);
    head = undefined;
    agreed.resolve();
    if (rest.length > 0) onData(rest);
  };
  const ended = () => {
    if (head !== undefined) agreed.reject(refusal(head));
    done.resolve();
  };
  const socket = await UnixSocket.connect(socketPath, { onData: take, onClose: ended });
  const line = firstLine === undefined ? "" : `${firstLine}\n`;
  void socket.write(Buffer.from(`${requestHead(path)}${line}`));
  await agreed.promise;
  return {
    done: done.promise,
    write: (bytes) => socket.write(bytes),
    end: () => socket.endWrites(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.close(),
  };
}

function requestHead(path: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: thaw\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0${HEAD_END}`;
}

function statusOf(head: Buffer): number {
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(head.subarray(0, 20).toString("latin1"))?.[1]);
}

/** The error that a whole answer without an upgrade describes. */
function refusal(answer: Buffer): ThawError {
  const text = answer.subarray(answer.indexOf(HEAD_END) + HEAD_END.length).toString("utf8");
  try {
    return errorFromBody(JSON.parse(text), statusOf(answer));
  } catch {
    return broken("it was closed without an answer");
  }
}

/** A connection that ended before what was asked for was done. */
export function broken(reason: string): ThawError {
  return new ThawError("DAEMON_UNREACHABLE", `the connection to the daemon broke: ${reason}`, {
    hint: "The container goes on; see it with thaw ps, its output with thaw logs.",
  });
}
