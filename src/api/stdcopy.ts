/**
 * Docker's framing of two output streams in one: an 8-byte header (stream number, three zero bytes, big-endian
 * length), then the bytes. Used by attach and logs of containers without a terminal.
 */

export type OutputStream = "stdout" | "stderr";

const HEADER_BYTES = 8;

/** `bytes` with a header before it. */
export function stdcopyFrame(stream: OutputStream, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + bytes.length);
  frame[0] = stream === "stdout" ? 1 : 2;
  new DataView(frame.buffer).setUint32(4, bytes.length);
  frame.set(bytes, HEADER_BYTES);
  return frame;
}

/** Takes frames apart however they were cut into chunks; payloads are handed on as they come, never collected. */
export class StdcopyReader {
  readonly #onBytes: (stream: OutputStream, bytes: Uint8Array) => void;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerLength = 0;
  #left = 0;

  constructor(onBytes: (stream: OutputStream, bytes: Uint8Array) => void) {
    this.#onBytes = onBytes;
  }

  push(chunk: Uint8Array): void {
    let at = 0;
    while (at < chunk.length) {
      at += this.#left > 0 ? this.#takePayload(chunk, at) : this.#takeHeader(chunk, at);
    }
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + HEADER_BYTES - this.#headerLength);
    this.#header.set(part, this.#headerLength);
    this.#headerLength += part.length;
    if (this.#headerLength === HEADER_BYTES) {
      this.#left = new DataView(this.#header.buffer).getUint32(4);
      this.#headerLength = 0;
    }
    return part.length;
  }

  #takePayload(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + this.#left);
    this.#left -= part.length;
    this.#onBytes(this.#header[0] === 2 ? "stderr" : "stdout", part);
    return part.length;
  }
}
