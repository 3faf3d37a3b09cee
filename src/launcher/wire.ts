/**
 * Primitive values of the launcher protocol (see protocol/launcher.yaml for the layout). Reading is
 * bounded everywhere: a malformed frame is a WireError, never an over-read.
 */

/** The bytes do not follow the protocol. */
export class WireError extends Error {
  override readonly name = "WireError";
}

/** One point of a start or wake-up: the phase's number and nanoseconds since the beginning. */
export interface PhaseTime {
  readonly phase: number;
  readonly ns: bigint;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8");

/** Appends values to a growing buffer. */
export class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  #room(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return at;
  }

  u8(value: number): void {
    const at = this.#room(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number): void {
    const at = this.#room(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number): void {
    const at = this.#room(4);
    this.#view.setUint32(at, value, true);
  }

  i32(value: number): void {
    const at = this.#room(4);
    this.#view.setInt32(at, value, true);
  }

  u64(value: bigint): void {
    const at = this.#room(8);
    this.#view.setBigUint64(at, value, true);
  }

  bytes(value: Uint8Array): void {
    this.u32(value.length);
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
  }

  str(value: string): void {
    if (value.includes("\0")) throw new WireError(`a string holds a NUL byte: ${JSON.stringify(value.slice(0, 80))}`);
    this.bytes(encoder.encode(value));
    this.u8(0);
  }

  strs(values: readonly string[]): void {
    this.u32(values.length);
    for (const value of values) this.str(value);
  }

  phases(values: readonly PhaseTime[]): void {
    this.u32(values.length);
    for (const { phase, ns } of values) {
      this.u8(phase);
      this.u64(ns);
    }
  }

  /** Writes a u32 length before what `body` writes. */
  sized(body: () => void): void {
    const at = this.#room(4);
    body();
    this.#view.setUint32(at, this.#length - at - 4, true);
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Takes values from the front of a buffer. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at === this.#bytes.length;
  }

  #take(count: number): number {
    const at = this.#at;
    if (count > this.#bytes.length - at) {
      throw new WireError(`wanted ${count} bytes at ${at}, ${this.#bytes.length - at} are left`);
    }
    this.#at += count;
    return at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  i32(): number {
    return this.#view.getInt32(this.#take(4), true);
  }

  u64(): bigint {
    return this.#view.getBigUint64(this.#take(8), true);
  }

  bytes(): Uint8Array {
    const length = this.u32();
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  str(): string {
    const text = decoder.decode(this.bytes());
    if (this.u8() !== 0) throw new WireError("a string does not end with NUL");
    return text;
  }

  strs(): string[] {
    const count = this.u32();
    if (count > this.#bytes.length) throw new WireError(`a list of ${count} items in ${this.#bytes.length} bytes`);
    return Array.from({ length: count }, () => this.str());
  }

  phases(): PhaseTime[] {
    const count = this.u32();
    if (count > this.#bytes.length) throw new WireError(`a list of ${count} items in ${this.#bytes.length} bytes`);
    return Array.from({ length: count }, () => ({ phase: this.u8(), ns: this.u64() }));
  }

  /** @throws WireError when something is left over. */
  end(): void {
    if (!this.done) throw new WireError(`${this.#bytes.length - this.#at} bytes too many`);
  }
}
