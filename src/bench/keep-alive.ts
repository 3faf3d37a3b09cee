/** Many requests on one connection, each timed from its sending to the first byte of its answer. */
import { ThawError } from "../common/errors.ts";

const LIMIT_MS = 60_000;

/** An HTTP connection that stays. One request at a time. */
export class KeptConnection {
  readonly #socket: Bun.Socket;
  readonly #state: State;

  private constructor(socket: Bun.Socket, state: State) {
    this.#socket = socket;
    this.#state = state;
  }

  static async open(hostname: string, port: number): Promise<KeptConnection> {
    const state = new State();
    const socket = await Bun.connect({
      hostname,
      port,
      socket: {
        data: (_, chunk) => state.take(chunk),
        close: () => state.fail("the connection was closed"),
        error: (_, error) => state.fail(error.message),
      },
    });
    return new KeptConnection(socket, state);
  }

  /** Milliseconds until the first byte; resolves when the answer is complete. @throws ThawError NOT_READY. */
  async request(path: string): Promise<number> {
    const timer = setTimeout(() => this.#state.fail("no answer in time"), LIMIT_MS);
    const answer = this.#state.expect();
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
    return answer.finally(() => clearTimeout(timer));
  }

  close(): void {
    this.#socket.end();
  }
}

/** What has come of the answer that is waited for. */
class State {
  #waiting: PromiseWithResolvers<number> | undefined;
  #failure: ThawError | undefined;
  #from = 0;
  #firstByteMs = 0;
  #text = "";

  expect(): Promise<number> {
    if (this.#failure) return Promise.reject(this.#failure);
    this.#waiting = Promise.withResolvers();
    this.#text = "";
    this.#firstByteMs = 0;
    this.#from = performance.now();
    return this.#waiting.promise;
  }

  take(chunk: Uint8Array): void {
    this.#firstByteMs ||= performance.now() - this.#from;
    // Bytes are counted, not characters.
    this.#text += Buffer.from(chunk).toString("latin1");
    if (!isComplete(this.#text)) return;
    if (/^HTTP\/1\.1 2\d\d /.test(this.#text)) this.#waiting?.resolve(this.#firstByteMs);
    else this.fail(this.#text.split("\r\n")[0] ?? "");
  }

  fail(what: string): void {
    this.#failure = new ThawError("NOT_READY", `the service does not keep a connection: ${what}`);
    this.#waiting?.reject(this.#failure);
  }
}

function isComplete(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const head = answer.slice(0, end);
  if (/^transfer-encoding: *chunked/im.test(head)) return answer.endsWith("\r\n0\r\n\r\n");
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  return answer.length - end - 4 >= Number(length ?? 0);
}
