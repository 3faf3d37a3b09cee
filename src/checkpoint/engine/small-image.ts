/**
 * CRIU's images of one message: one or two 4-byte magics, a length, a protobuf message. Only the fields that are asked
 * for are taken; others are skipped, because newer CRIUs add some.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ThawError } from "../../common/errors.ts";

/** What an image begins with. */
export interface ImageKind {
  /** For errors: "stats-dump". */
  readonly name: string;
  readonly magics: readonly [number, number];
}

const HEADER_BYTES = 12;

/** The message of an image. @throws ThawError CHECKPOINT_FAILED when it is none of this kind. */
export function onlyMessage(kind: ImageKind, image: Uint8Array): Uint8Array {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < HEADER_BYTES) throw malformed(kind, `${image.length} bytes, expected at least ${HEADER_BYTES}`);
  if (kind.magics.some((magic, index) => view.getUint32(4 * index, true) !== magic))
    throw malformed(kind, "wrong magic");
  const length = view.getUint32(8, true);
  if (length > image.length - HEADER_BYTES)
    throw malformed(kind, `says ${length} bytes, has ${image.length - HEADER_BYTES}`);
  return image.subarray(HEADER_BYTES, HEADER_BYTES + length);
}

/** The first length-delimited field of that number. @throws ThawError CHECKPOINT_FAILED when there is none. */
export function inner(kind: ImageKind, message: Uint8Array, wanted: number): Uint8Array {
  return decode(kind, message, (reader) => {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === wanted && wireType === WireType.LengthDelimited) return reader.bytes();
      reader.skip(wireType, field);
    }
    throw malformed(kind, `field ${wanted} is missing`);
  });
}

/** All varint fields, the last one of each number. */
export function varints(kind: ImageKind, message: Uint8Array): Map<number, bigint> {
  return decode(kind, message, (reader) => {
    const found = new Map<number, bigint>();
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (wireType === WireType.Varint) found.set(field, BigInt(reader.uint64()));
      else reader.skip(wireType, field);
    }
    return found;
  });
}

/** The error for an image that is not what it should be. */
export function malformed(kind: ImageKind, what: string, cause?: unknown): ThawError {
  return new ThawError("CHECKPOINT_FAILED", `CRIU's ${kind.name} image is malformed: ${what}`, { cause });
}

function decode<T>(kind: ImageKind, message: Uint8Array, read: (reader: BinaryReader) => T): T {
  try {
    return read(new BinaryReader(message));
  } catch (cause) {
    if (cause instanceof ThawError) throw cause;
    throw malformed(kind, "not a protobuf message", cause);
  }
}
