/** A connection to the launcher that sends whatever it is told and keeps the frames that come. */
import type { Socket } from "bun";
import { FrameCutter } from "../../src/launcher/frames.ts";
import { decodeFrame, type Message } from "../../src/launcher/generated/protocol.ts";

const RUN_MS = 20_000;

export class RawConnection {
  readonly frames: { tag: bigint; message: Message }[] = [];
  closed = false;
  readonly #cutter = new FrameCutter();
  #unsent = Buffer.alloc(0);
  #socket: Socket | undefined;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  static async open(path: string): Promise<RawConnection> {
    const connection = new RawConnection();
    await connection.#connect(path);
    return connection;
  }

  async #connect(path: string): Promise<void> {
    this.#socket = await Bun.connect({
      unix: path,
      socket: {
        data: (_socket, chunk) => this.#receive(chunk),
        drain: () => this.send(new Uint8Array(0)),
        close: () => this.#close(),
        error: () => this.#close(),
      },
    });
  }

  /** Sends after what the kernel has not taken yet. */
  send(bytes: Uint8Array): void {
    this.#unsent = Buffer.concat([this.#unsent, bytes]);
    this.#unsent = this.#unsent.subarray(Math.max(0, this.#socket?.write(this.#unsent) ?? 0));
  }

  end(): void {
    this.#socket?.terminate();
  }

  /** Resolves with what `pick` finds among the frames. @throws when the connection ends or nothing comes in time. */
  async until<T>(
    pick: (frames: readonly { tag: bigint; message: Message }[]) => T | undefined,
    ms = RUN_MS,
  ): Promise<T> {
    const late = Bun.sleep(ms).then(() => "late" as const);
    for (;;) {
      const picked = pick(this.frames);
      if (picked !== undefined) return picked;
      if (this.closed) throw new Error("the launcher closed the connection");
      if ((await Promise.race([this.#changed.promise, late])) === "late")
        throw new Error("the launcher does not answer");
    }
  }

  #receive(chunk: Uint8Array): void {
    this.#cutter.push(chunk);
    // What the launcher sends is well-formed, whatever it was sent.
    for (let body = this.#cutter.next(); body; body = this.#cutter.next()) this.frames.push(decodeFrame(body));
    this.#wake();
  }

  #close(): void {
    this.closed = true;
    this.#wake();
  }

  #wake(): void {
    const changed = this.#changed;
    this.#changed = Promise.withResolvers();
    changed.resolve();
  }
}
