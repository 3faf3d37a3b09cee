/**
 * A unix stream socket with the two things Bun's socket leaves to its user: writes that wait for a full kernel
 * buffer to drain, in order, and a half-close once all of them are out.
 */
import type { Socket } from "bun";

/** What a connection does with what arrives. `chunk` may be kept. */
export interface SocketHandlers {
  onData(chunk: Uint8Array): void;
  /** Called once, however the connection ended. */
  onClose(): void;
}

interface PendingWrite {
  bytes: Uint8Array;
  readonly done: () => void;
}

/** A connected unix socket. */
export class UnixSocket {
  readonly #handlers: SocketHandlers;
  readonly #writes: PendingWrite[] = [];
  #socket: Socket<undefined> | undefined;
  #closed = false;
  #endAfterWrites = false;

  private constructor(handlers: SocketHandlers) {
    this.#handlers = handlers;
  }

  /** Connects to `path`. @throws the system's error (ENOENT, ECONNREFUSED) when nobody listens. */
  static async connect(path: string, handlers: SocketHandlers): Promise<UnixSocket> {
    const socket = new UnixSocket(handlers);
    await socket.#open(path);
    return socket;
  }

  async #open(path: string): Promise<void> {
    this.#socket = await Bun.connect({
      unix: path,
      allowHalfOpen: true,
      socket: {
        binaryType: "uint8array",
        data: (_socket, chunk) => this.#handlers.onData(chunk),
        drain: () => this.#flush(),
        end: () => this.close(),
        close: () => this.#ended(),
        error: () => this.close(),
      },
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Sends bytes after all earlier ones. Resolves when the kernel has taken them, or the connection ended. */
  write(bytes: Uint8Array): Promise<void> {
    if (this.#closed || this.#endAfterWrites) return Promise.resolve();
    return new Promise((done) => {
      this.#writes.push({ bytes, done });
      this.#flush();
    });
  }

  /** Says that no more will be sent, after what is pending; receiving goes on. */
  endWrites(): void {
    this.#endAfterWrites = true;
    this.#flush();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    if (!this.#closed) this.#socket?.resume();
  }

  close(): void {
    this.#socket?.terminate();
    this.#ended();
  }

  #flush(): void {
    for (let first = this.#writes[0]; first && !this.#closed; first = this.#writes[0]) {
      const written = this.#socket?.write(first.bytes) ?? 0;
      if (written < 0) {
        this.close();
        return;
      }
      if (written < first.bytes.length) {
        first.bytes = first.bytes.subarray(written);
        return;
      }
      this.#writes.shift();
      first.done();
    }
    if (this.#endAfterWrites && !this.#closed) this.#socket?.shutdown();
  }

  #ended(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { done } of this.#writes.splice(0)) done();
    this.#handlers.onClose();
  }
}
