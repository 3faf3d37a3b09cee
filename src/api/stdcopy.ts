/**
 * Docker's framing of several streams in one: an 8-byte header (stream number, three zero bytes, big-endian
 * length), then the bytes. Used by attach and logs of containers without a terminal, and by run (see run.ts).
 */

export type OutputStream = "stdout" | "stderr";

const HEADER_BYTES = 8;

/** `bytes` with a header before it, as part of stream `number` (0-255). */
export function frame(number: number, bytes: Uint8Array): Uint8Array {
  const framed = new Uint8Array(HEADER_BYTES + bytes.length);
  framed[0] = number;
  new DataView(framed.buffer).setUint32(4, bytes.length);
  framed.set(bytes, HEADER_BYTES);
  return framed;
}

/** `bytes` of an output stream with a header before it. */
export function stdcopyFrame(stream: OutputStream, bytes: Uint8Array): Uint8Array {
  return frame(stream === "stdout" ? 1 : 2, bytes);
}

export interface FrameHandlers {
  /** A piece of a frame's bytes, as it came; never empty. */
  readonly onBytes: (number: number, bytes: Uint8Array) => void;
  /** All bytes of a frame have come. */
  readonly onEnd?: (number: number) => void;
}

/** Takes frames apart however they were cut into chunks; payloads are handed on as they come, never collected. */
export class FrameReader {
  readonly #handlers: FrameHandlers;
  readonly #header = new Uint8Array(HEADER_BYTES);
  #headerLength = 0;
  #left = 0;

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers;
  }

  /** Whether what came so far ends with the end of a frame. */
  get atBoundary(): boolean {
    return this.#left === 0 && this.#headerLength === 0;
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
      if (this.#left === 0) this.#handlers.onEnd?.(this.#header[0] ?? 0);
    }
    return part.length;
  }

  #takePayload(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + this.#left);
    this.#left -= part.length;
    const number = this.#header[0] ?? 0;
    this.#handlers.onBytes(number, part);
    if (this.#left === 0) this.#handlers.onEnd?.(number);
    return part.length;
  }
}

/** The same for the two output streams. */
export class StdcopyReader extends FrameReader {
  constructor(onBytes: (stream: OutputStream, bytes: Uint8Array) => void) {
    super({ onBytes: (number, bytes) => onBytes(number === 2 ? "stderr" : "stdout", bytes) });
  }
}
