/**
 * A connection that became the standard streams of a container: after the launcher's `ok` both directions are raw.
 * Output that nobody takes stops the reading at a bound, so that a slow client slows the container's own pipe reader
 * in the launcher (which then drops this client) and never fills the daemon's memory.
 */

import { UnixSocket } from "../common/unix-socket.ts";
import { refusal, unreachable } from "./failures.ts";
import { FrameCutter } from "./frames.ts";
import { type AttachMessage, decodeFrame, encodeFrame } from "./generated/protocol.ts";

/** Which streams are wanted. */
export interface AttachStreams {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

const QUEUE_BYTES = 1 << 20;

/** The streams of one container. `output` ends when the container's own output has ended. */
export class LauncherStream {
  #socket: UnixSocket | undefined;
  readonly #queue: Uint8Array[] = [];
  readonly #request: AttachMessage;
  readonly #accepted: PromiseWithResolvers<void> = Promise.withResolvers();
  #cutter: FrameCutter | undefined = new FrameCutter();
  #queued = 0;
  #ended = false;
  #wake: (() => void) | undefined;

  private constructor(request: AttachMessage) {
    this.#request = request;
  }

  /** Connects to the launcher's socket and asks for the streams. @throws ThawError LAUNCHER_FAILED. */
  static async open(socketPath: string, id: string, streams: AttachStreams): Promise<LauncherStream> {
    const wanted = (streams.stdin ? 1 : 0) | (streams.stdout ? 2 : 0) | (streams.stderr ? 4 : 0);
    const stream = new LauncherStream({ kind: "attach", id, streams: wanted });
    await stream.#open(socketPath);
    return stream;
  }

  async #open(socketPath: string): Promise<void> {
    const handlers = { onData: (chunk: Uint8Array) => this.#receive(chunk), onClose: () => this.#end() };
    this.#socket = await UnixSocket.connect(socketPath, handlers).catch((error: unknown) => {
      throw unreachable(`nobody listens on ${socketPath}`, error);
    });
    void this.#socket.write(encodeFrame(1n, this.#request));
    await this.#accepted.promise;
  }

  /** Output as the launcher frames it: 8-byte headers without a terminal, raw with one. To be read by one reader. */
  async *output(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#queue.shift();
      if (chunk) {
        this.#queued -= chunk.length;
        if (this.#queued < QUEUE_BYTES / 2) this.#socket?.resume();
        yield chunk;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((wake) => {
          this.#wake = wake;
        });
      }
    }
  }

  /** Sends input. Resolves when it is on its way. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#socket?.write(bytes);
  }

  /** Ends the input. */
  closeInput(): void {
    this.#socket?.endWrites();
  }

  /** Ends both directions; the container is left alone. */
  close(): void {
    this.#socket?.close();
  }

  #receive(chunk: Uint8Array): void {
    if (!this.#cutter) {
      this.#enqueue(chunk);
      return;
    }
    try {
      this.#cutter.push(chunk);
      const body = this.#cutter.next();
      if (body) this.#answered(body, this.#cutter.rest);
    } catch (error) {
      this.#accepted.reject(unreachable("it sent a malformed frame", error));
      this.close();
    }
  }

  #answered(body: Uint8Array, rest: Uint8Array): void {
    this.#cutter = undefined;
    const { message } = decodeFrame(body);
    if (message.kind === "ok") {
      this.#accepted.resolve();
      if (rest.length > 0) this.#enqueue(rest);
      return;
    }
    const error = message.kind === "error" ? refusal(this.#request, message) : unreachable(`it sent ${message.kind}`);
    this.#accepted.reject(error);
    this.close();
  }

  #enqueue(chunk: Uint8Array): void {
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    if (this.#queued > QUEUE_BYTES) this.#socket?.pause();
    this.#wakeReader();
  }

  #end(): void {
    this.#ended = true;
    this.#accepted.reject(unreachable("its connection broke"));
    this.#wakeReader();
  }

  #wakeReader(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
