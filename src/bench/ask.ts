/** One HTTP request on a connection of its own, timed from connect to the first byte of the answer. */
import { ThawError } from "../common/errors.ts";

export interface Answer {
  readonly firstByteMs: number;
  readonly text: string;
}

const LIMIT_MS = 60_000;

/** Asks once. @throws ThawError NOT_READY when the connection breaks, or no 2xx answer comes in time. */
export async function askFor(host: string, port: number, path: string): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const timer = setTimeout(() => reject(failure("no answer in time")), LIMIT_MS);
  const decoder = new TextDecoder();
  const from = performance.now();
  let firstByteMs = 0;
  let text = "";
  const connecting = Bun.connect({
    hostname: host,
    port,
    socket: {
      open: (opened) => {
        opened.write(`GET ${path} HTTP/1.1\r\nHost: ${host}:${port}\r\nConnection: close\r\n\r\n`);
      },
      data: (_, chunk) => {
        firstByteMs ||= performance.now() - from;
        text += decoder.decode(chunk, { stream: true });
      },
      close: () => {
        if (/^HTTP\/1\.[01] 2\d\d /.test(text)) resolve({ firstByteMs, text });
        else
          reject(failure(text === "" ? "the connection was closed without an answer" : (text.split("\r\n")[0] ?? "")));
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
