/** DNS over TCP: each message after its length in two bytes. */

/** Cuts a stream into messages. */
export class Message {
  #pending: Uint8Array = new Uint8Array(0);
  readonly #take: (message: Uint8Array) => void;

  constructor(take: (message: Uint8Array) => void) {
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    for (;;) {
      const [high = 0, low = 0] = this.#pending;
      const end = 2 + high * 256 + low;
      if (this.#pending.length < 2 || this.#pending.length < end) return;
      const message = this.#pending.subarray(2, end);
      this.#pending = this.#pending.subarray(end);
      this.#take(message);
    }
  }

  /** A message with its length. */
  static framed(message: Uint8Array): Uint8Array {
    return Buffer.concat([Uint8Array.of(message.length >> 8, message.length & 0xff), message]);
  }
}
