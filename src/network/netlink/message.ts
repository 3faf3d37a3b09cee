/**
 * Netlink messages as bytes: a header, a fixed part, and attributes that may nest. Everything is aligned to four bytes
 * and in the machine's byte order (little-endian) unless a protocol says otherwise. The launcher sends what is made
 * here and checks the acknowledgements; nothing is read back.
 */

/** Flags of a request. */
export const Flag = { request: 1, ack: 4, replace: 0x100, excl: 0x200, create: 0x400, append: 0x800 } as const;

/** Netlink families, as socket(2) takes them. */
export const Family = { route: 0, netfilter: 12 } as const;

const HEADER_BYTES = 16;
const NESTED = 0x8000;

/** An attribute: a number and its bytes. */
export interface Attribute {
  readonly type: number;
  readonly data: Uint8Array;
}

/** One message without its sequence number. */
export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  /** Fixed part, then attributes. */
  readonly body: Uint8Array;
}

export function attribute(type: number, data: Uint8Array): Attribute {
  return { type, data };
}

/** An attribute that holds attributes. */
export function nest(type: number, ...attributes: readonly Attribute[]): Attribute {
  return { type: type | NESTED, data: attributesBytes(attributes) };
}

/** A string with the NUL that ends it. */
export function text(type: number, value: string): Attribute {
  return { type, data: Buffer.from(`${value}\0`) };
}

export function u8(type: number, value: number): Attribute {
  return { type, data: Uint8Array.of(value) };
}

export function u32(type: number, value: number): Attribute {
  return { type, data: littleEndian32(value) };
}

/** In network byte order, as nftables has its numbers. */
export function u32be(type: number, value: number): Attribute {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value, false);
  return { type, data };
}

/** Four bytes of a number. */
export function littleEndian32(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value >>> 0, true);
  return data;
}

/** A message; `fixed` is the struct that its type begins with. */
export function message(
  type: number,
  flags: number,
  fixed: Uint8Array,
  ...attributes: readonly Attribute[]
): NetlinkMessage {
  return { type, flags: flags | Flag.request, body: joined([padded(fixed), attributesBytes(attributes)]) };
}

/** Messages as one batch; their sequence numbers count from 1. */
export function batch(messages: readonly NetlinkMessage[]): Uint8Array {
  return joined(messages.map(({ type, flags, body }, index) => padded(frame(type, flags, body, index + 1))));
}

function frame(type: number, flags: number, body: Uint8Array, sequence: number): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, type, true);
  view.setUint16(6, flags, true);
  view.setUint32(8, sequence, true);
  bytes.set(body, HEADER_BYTES);
  return bytes;
}

function attributesBytes(attributes: readonly Attribute[]): Uint8Array {
  return joined(
    attributes.map(({ type, data }) => {
      const bytes = new Uint8Array(4 + data.length);
      const view = new DataView(bytes.buffer);
      view.setUint16(0, bytes.length, true);
      view.setUint16(2, type, true);
      bytes.set(data, 4);
      return padded(bytes);
    }),
  );
}

function padded(bytes: Uint8Array): Uint8Array {
  const rest = bytes.length % 4;
  return rest === 0 ? bytes : joined([bytes, new Uint8Array(4 - rest)]);
}

/** One array of many. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
