/** The `data` section of a table file while it is made: texts and bytes that records point to. */

const START_BYTES = 1 << 16;
const encoder = new TextEncoder();

export class DataPool {
  #bytes = new Uint8Array(START_BYTES);
  /** The first byte is the empty text. */
  #length = 1;
  readonly #texts = new Map<string, number>([["", 0]]);

  /** Offset of a text that ends with NUL. */
  text(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const at = this.bytes(encoder.encode(`${text}\0`));
    this.#texts.set(text, at);
    return at;
  }

  /** Offset of bytes, which stand at a multiple of 8. */
  bytes(bytes: Uint8Array): number {
    const at = (this.#length + 7) & ~7;
    this.#grow(at + bytes.length);
    this.#bytes.set(bytes, at);
    this.#length = at + bytes.length;
    return at;
  }

  /** All of it, with a zero byte at its end. */
  finish(): Uint8Array {
    this.#grow(this.#length + 1);
    return this.#bytes.subarray(0, this.#length + 1);
  }

  #grow(length: number): void {
    if (length < this.#bytes.length) return;
    const bigger = new Uint8Array(length * 2);
    bigger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bigger;
  }
}
