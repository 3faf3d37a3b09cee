/**
 * The client's side of an attach: an HTTP request that turns its connection into a byte stream in both
 * directions. Written on a plain socket, because fetch cannot half-close: ending the input must not end the output.
 */
import { connect, type Socket } from "node:net";
import { ThawError } from "../common/errors.ts";
import { errorFromBody } from "./errors.ts";

export interface AttachHandlers {
  /** Output as it came; framed as stdcopy.ts says unless the container has a terminal. */
  readonly onOutput: (bytes: Uint8Array) => void;
}

export interface AttachedStream {
  /** Resolves when the container's output is at its end. Rejects when the connection broke before. */
  readonly done: Promise<void>;
  /** Resolves when more may be written. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the container's input; output goes on. */
  end(): void;
  /** Reads no more output until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

const HEAD_END = "\r\n\r\n";
const MAX_HEAD_BYTES = 65_536;

/** @throws ThawError as the daemon says, DAEMON_UNREACHABLE. */
export function attachStream(socketPath: string, path: string, handlers: AttachHandlers): Promise<AttachedStream> {
  const { promise, resolve, reject } = Promise.withResolvers<AttachedStream>();
  const ended = Promise.withResolvers<void>();
  // Nobody waits for it when attaching itself fails.
  ended.promise.catch(() => undefined);
  const socket = connect({ path: socketPath, allowHalfOpen: true });
  let head: Buffer | undefined = Buffer.alloc(0);
  const fail = (error: Error) => {
    reject(error);
    ended.reject(error);
    socket.destroy();
  };
  socket.on("connect", () => socket.write(requestHead(path)));
  socket.on("data", (chunk: Buffer) => {
    if (head === undefined) return handlers.onOutput(chunk);
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf(HEAD_END);
    if (end < 0 && head.length <= MAX_HEAD_BYTES) return;
    if (statusOf(head) !== 101) return;
    const rest = head.subarray(end + HEAD_END.length);
    head = undefined;
    resolve(stream(socket, ended.promise));
    if (rest.length > 0) handlers.onOutput(rest);
  });
  socket.on("error", (error) => fail(broken(error.message, error)));
  socket.on("end", () => (head === undefined ? ended.resolve() : fail(refusal(head))));
  socket.on("close", () => fail(broken("the connection was closed")));
  return promise;
}

function stream(socket: Socket, done: Promise<void>): AttachedStream {
  return {
    done,
    write: (bytes) => new Promise((resolve) => socket.write(bytes, () => resolve())),
    end: () => socket.end(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => socket.destroy(),
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
    return broken("it refused to attach");
  }
}

function broken(reason: string, cause?: unknown): ThawError {
  return new ThawError("DAEMON_UNREACHABLE", `the connection to the daemon broke: ${reason}`, {
    hint: "The container goes on; see it with thaw ps, its output with thaw logs.",
    cause,
  });
}
