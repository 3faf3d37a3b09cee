/**
 * Cuts a byte stream into frames. Chunks come as the kernel likes: half a length, three frames at once. What is
 * kept between chunks is bounded by the largest frame, and a length beyond that bound ends the connection.
 */
import { LIMITS } from "./generated/protocol.ts";
import { WireError } from "./wire.ts";

const LENGTH_BYTES = 4;
const EMPTY = new Uint8Array(0);

/** Collects chunks and gives back the bodies of whole frames (what follows each length). */
export class FrameCutter {
  #pending: Uint8Array = EMPTY;

  /** Bytes that came after the last whole frame. */
  get rest(): Uint8Array {
    return this.#pending;
  }

  /** Adds a chunk. The bytes may be reused by the caller afterwards. */
  push(chunk: Uint8Array): void {
    const joined = new Uint8Array(this.#pending.length + chunk.length);
    joined.set(this.#pending);
    joined.set(chunk, this.#pending.length);
    this.#pending = joined;
  }

  /** The next whole frame's body, or undefined when more bytes are needed. @throws WireError over the bound. */
  next(): Uint8Array | undefined {
    const pending = this.#pending;
    if (pending.length < LENGTH_BYTES) return undefined;
    const length = new DataView(pending.buffer, pending.byteOffset, LENGTH_BYTES).getUint32(0, true);
    if (length > LIMITS.FRAME_BYTES) throw new WireError(`a frame of ${length} bytes, at most ${LIMITS.FRAME_BYTES}`);
    const end = LENGTH_BYTES + length;
    if (pending.length < end) return undefined;
    this.#pending = pending.subarray(end);
    return pending.subarray(LENGTH_BYTES, end);
  }
}
