/** One question on a connection of its own, timed from connect to the first byte of the answer. */
import { ThawError } from "../common/errors.ts";

export interface Answer {
  readonly firstByteMs: number;
  readonly text: string;
}

const LIMIT_MS = 60_000;

/** Asks for a path once by HTTP. @throws ThawError NOT_READY when the connection breaks, or no 2xx answer comes in time. */
export async function askFor(host: string, port: number, path: string): Promise<Answer> {
  const answer = await exchange(
    host,
    port,
    `GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`,
  );
  bodyOf(answer.text);
  return answer;
}

/** The body of a good HTTP answer. @throws ThawError NOT_READY for any other. */
export function bodyOf(answer: string): string {
  if (!/^HTTP\/1\.[01] 2\d\d /.test(answer)) throw failure(answer.split("\r\n")[0] ?? "");
  const end = answer.indexOf("\r\n\r\n");
  const body = answer.slice(end + 4);
  return /^transfer-encoding: *chunked/im.test(answer.slice(0, end)) ? unchunked(body) : body;
}

function unchunked(body: string): string {
  const [, size = "0"] = /^([0-9a-f]+)[^\r]*\r\n/i.exec(body) ?? [];
  const from = body.indexOf("\r\n") + 2;
  const length = Number.parseInt(size, 16);
  return length === 0 ? "" : body.slice(from, from + length) + unchunked(body.slice(from + length + 2));
}

/** Sends something and reads until the other side closes. @throws ThawError NOT_READY when nothing comes, or not in time. */
export async function exchange(host: string, port: number, sent: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => reject(failure("no answer in time")), LIMIT_MS);
  const decoder = new TextDecoder();
  const from = performance.now();
  let firstByteMs = 0;
  let text = "";
  let unsent = sent;
  const send = (socket: { write(data: string): number }) => {
    // What is sent is ASCII: bytes are characters.
    unsent = unsent.slice(Math.max(0, socket.write(unsent)));
  };
  const connecting = Bun.connect({
    hostname: host,
    port,
    socket: {
      open: send,
      drain: send,
      data: (_, chunk) => {
        firstByteMs ||= performance.now() - from;
        text += decoder.decode(chunk, { stream: true });
      },
      close: () => {
        if (text !== "") resolve({ firstByteMs, text });
        else reject(failure("the connection was closed without an answer"));
      },
      error: (_, error) => reject(failure(error.message)),
    },
  });
  connecting.catch((error: Error) => reject(failure(error.message)));
  return promise.finally(() => {
    clearTimeout(timer);
    connecting.then((socket) => socket.end()).catch(() => undefined);
  });
}

function failure(what: string): ThawError {
  return new ThawError("NOT_READY", `the service did not answer well: ${what}`, {
    hint: "See its output with thaw logs, and its state with thaw services.",
  });
}
