/**
 * Descriptions of protobuf messages as TypeScript values, and strict decoding by them. CRIU's images are proto2:
 * fields are required, optional or repeated. Strict means: a field that the description does not have, a required one
 * that is missing, a value that does not fit, a single field that comes twice, is an error that names it. Half
 * understood, an image would become a process that is almost right.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ThawError } from "../../common/errors.ts";

/** How values of one type stand in a message. */
export interface Kind<T> {
  readonly wire: WireType;
  /** Whether many may stand in one field. */
  readonly packable: boolean;
  /** @throws when the bytes are no such value; `where` names it. */
  read(reader: BinaryReader, where: string): T;
}

type Count = "required" | "optional" | "repeated";

interface Field<T, C extends Count> {
  readonly number: number;
  readonly kind: Kind<T>;
  readonly count: C;
}

type Fields = Readonly<Record<string, Field<unknown, Count>>>;

/** The type of a message with these fields. */
type Decoded<F extends Fields> = {
  readonly [K in keyof F]: F[K] extends Field<infer T, infer C>
    ? C extends "repeated"
      ? readonly T[]
      : C extends "optional"
        ? T | undefined
        : T
    : never;
};

/** A message; itself a kind, so that it may stand in another one. */
export interface Message<T> extends Kind<T> {
  readonly name: string;
  /** @throws ThawError INVALID that begins with `where`. */
  decode(bytes: Uint8Array, where: string): T;
}

/** What a message decodes to. */
export type Of<M> = M extends Message<infer T> ? T : never;

/** A field that every message has. */
export function required<T>(number: number, kind: Kind<T>): Field<T, "required"> {
  return { number, kind, count: "required" };
}

/** A field that a message may lack. */
export function optional<T>(number: number, kind: Kind<T>): Field<T, "optional"> {
  return { number, kind, count: "optional" };
}

/** A field that may come any number of times, packed or not. */
export function repeated<T>(number: number, kind: Kind<T>): Field<T, "repeated"> {
  return { number, kind, count: "repeated" };
}

/** Describes a message; `name` as in CRIU's sources, for errors. */
export function message<F extends Fields>(name: string, fields: F): Message<Decoded<F>> {
  const byNumber = new Map(Object.entries(fields).map(([key, field]) => [field.number, { key, field }]));
  const read = (reader: BinaryReader, where: string) => {
    const values: Record<string, unknown> = {};
    for (const [key, { count }] of Object.entries(fields)) values[key] = count === "repeated" ? [] : undefined;
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      const known = byNumber.get(number);
      if (known === undefined) throw invalid(where, `${name} has a field ${number} that thaw does not know`);
      readField(reader, wire, known.field, known.key, values, `${where}: ${name}.${known.key}`);
    }
    for (const [key, { count }] of Object.entries(fields)) {
      if (count === "required" && values[key] === undefined) throw invalid(where, `${name}.${key} is missing`);
    }
    // Every key has a value of its field's kind now, or undefined where that is allowed.
    return values as Decoded<F>;
  };
  return {
    name,
    wire: WireType.LengthDelimited,
    packable: false,
    read: (reader, where) => read(new BinaryReader(reader.bytes()), where),
    decode: (bytes, where) => guarded(where, name, () => read(new BinaryReader(bytes), where)),
  };
}

function readField(
  reader: BinaryReader,
  wire: WireType,
  field: Field<unknown, Count>,
  key: string,
  values: Record<string, unknown>,
  where: string,
): void {
  const { kind, count } = field;
  const list = values[key];
  if (count === "repeated" && Array.isArray(list)) {
    if (wire === WireType.LengthDelimited && kind.packable) {
      const packed = new BinaryReader(reader.bytes());
      while (packed.pos < packed.len) list.push(kind.read(packed, where));
      return;
    }
    expectWire(wire, kind, where);
    list.push(kind.read(reader, where));
    return;
  }
  expectWire(wire, kind, where);
  if (list !== undefined) throw invalid(where, "expected one value, got two");
  values[key] = kind.read(reader, where);
}

function expectWire(wire: WireType, kind: Kind<unknown>, where: string): void {
  if (wire !== kind.wire) throw invalid(where, `expected wire type ${kind.wire}, got ${wire}`);
}

/** Whatever the reader finds wrong with the bytes becomes an error that says where they are. */
function guarded<T>(where: string, name: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ThawError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ThawError("INVALID", `${where}: not a ${name}: ${reason}`, { cause });
  }
}

function invalid(where: string, what: string): ThawError {
  return new ThawError("INVALID", `${where}: ${what}`);
}

/** A varint, read as 64 bits and checked: the reader's own 32-bit types drop what is too much. */
function integer<T>(from: (bits: bigint) => T | undefined): Kind<T> {
  return {
    wire: WireType.Varint,
    packable: true,
    read: (reader, where) => {
      const bits = BigInt(reader.uint64());
      const value = from(bits);
      if (value === undefined) throw invalid(where, `the value ${bits} does not fit`);
      return value;
    },
  };
}

const TWO_31 = 1n << 31n;
const TWO_32 = 1n << 32n;

export const uint32: Kind<number> = integer((bits) => (bits < TWO_32 ? Number(bits) : undefined));

export const uint64: Kind<bigint> = integer((bits) => bits);

/** Negative ones stand as 64 bits. */
export const int32: Kind<number> = integer((bits) => asInt32(BigInt.asIntN(64, bits)));

export const int64: Kind<bigint> = integer((bits) => BigInt.asIntN(64, bits));

export const sint32: Kind<number> = integer((bits) => asInt32(unzigzag(bits)));

export const sint64: Kind<bigint> = integer(unzigzag);

export const bool: Kind<boolean> = integer((bits) => (bits <= 1n ? bits === 1n : undefined));

export const fixed64: Kind<bigint> = {
  wire: WireType.Bit64,
  packable: true,
  read: (reader) => BigInt(reader.fixed64()),
};

export const bytes: Kind<Uint8Array> = {
  wire: WireType.LengthDelimited,
  packable: false,
  read: (reader) => reader.bytes(),
};

/** UTF-8; a path that is none has no place in the plans, which are text. */
export const string: Kind<string> = {
  wire: WireType.LengthDelimited,
  packable: false,
  read: (reader) => reader.string(true),
};

function asInt32(value: bigint): number | undefined {
  return value >= -TWO_31 && value < TWO_31 ? Number(value) : undefined;
}

function unzigzag(bits: bigint): bigint {
  return (bits >> 1n) ^ -(bits & 1n);
}
