/**
 * The frames of CRIU's image files: two magics of 4 bytes (inventory.img has only its own), then entries of a length
 * of 4 bytes and a protobuf message, some followed by raw bytes whose number the message says. All little-endian.
 */
import { ThawError } from "../../common/errors.ts";
import type { Message } from "./description.ts";

/** In front of every image's own magic. */
const COMMON_MAGIC = 0x54564319;

/** What an image file consists of. */
export interface Frame<T> {
  readonly magic: number;
  readonly message: Message<T>;
  /** Without the common magic in front. */
  readonly bare?: boolean;
  /** Exactly one entry. */
  readonly single?: boolean;
  /** How many raw bytes follow an entry. */
  readonly payload?: (entry: T) => number;
}

/** An entry with the raw bytes that follow it. */
export interface Framed<T> {
  readonly entry: T;
  readonly payload: Uint8Array;
}

/**
 * Decodes a whole image file; `name` is for errors.
 * @throws ThawError INVALID for another magic, a truncated or too long entry, anything its message does not know.
 */
export function decodeImage<T>(image: Uint8Array, name: string, frame: Frame<T>): Framed<T>[] {
  const cursor = new Cursor(image, name);
  cursor.magics(frame.bare ? [frame.magic] : [COMMON_MAGIC, frame.magic]);
  const entries: Framed<T>[] = [];
  while (!cursor.atEnd) {
    const entry = frame.message.decode(cursor.entry(), name);
    entries.push({ entry, payload: cursor.take(frame.payload?.(entry) ?? 0, "an entry's data") });
  }
  if (frame.single && entries.length !== 1) {
    throw new ThawError("INVALID", `${name}: expected one entry, got ${entries.length}`);
  }
  return entries;
}

/**
 * Decodes an image whose first entry is another message than the rest.
 * @throws ThawError as decodeImage.
 */
export function decodeWithHead<H, T>(
  image: Uint8Array,
  name: string,
  head: Message<H>,
  frame: Frame<T>,
): { head: H; entries: T[] } {
  const cursor = new Cursor(image, name);
  cursor.magics([COMMON_MAGIC, frame.magic]);
  const first = head.decode(cursor.entry(), name);
  const entries: T[] = [];
  while (!cursor.atEnd) entries.push(frame.message.decode(cursor.entry(), name));
  return { head: first, entries };
}

class Cursor {
  readonly #image: Uint8Array;
  readonly #view: DataView;
  readonly #name: string;
  #at = 0;

  constructor(image: Uint8Array, name: string) {
    this.#image = image;
    this.#view = new DataView(image.buffer, image.byteOffset, image.byteLength);
    this.#name = name;
  }

  get atEnd(): boolean {
    return this.#at === this.#image.length;
  }

  magics(expected: readonly number[]): void {
    for (const magic of expected) {
      const got = this.#word("its magic");
      if (got !== magic) throw this.#invalid(`expected the magic ${hex(magic)}, got ${hex(got)}`);
    }
  }

  entry(): Uint8Array {
    return this.take(this.#word("an entry's length"), "an entry");
  }

  take(length: number, what: string): Uint8Array {
    const left = this.#image.length - this.#at;
    if (length > left) throw this.#invalid(`${what} at ${this.#at} needs ${length} bytes, ${left} are left`);
    const bytes = this.#image.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  #word(what: string): number {
    const at = this.#at;
    this.take(4, what);
    return this.#view.getUint32(at, true);
  }

  #invalid(what: string): ThawError {
    return new ThawError("INVALID", `${this.#name}: ${what}`);
  }
}

function hex(value: number): string {
  return `0x${value.toString(16).padStart(8, "0")}`;
}
