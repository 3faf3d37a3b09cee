/**
 * What CRIU measured about a dump: its `stats-dump` image is two 4-byte magics, a length and one protobuf
 * message. Only the facts that thaw shows are taken; a field that is not known is skipped, because newer CRIUs
 * add some.
 */
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ThawError } from "../../common/errors.ts";

/** Measured by CRIU itself. */
export interface DumpStats {
  /** How long the processes stood still for the dump, ms. */
  readonly frozenMs: number;
  /** Memory pages written. */
  readonly pagesWritten: number;
}

const SERVICE_MAGIC = 0x55105940;
const STATS_MAGIC = 0x57093306;
const HEADER_BYTES = 12;

/** Field numbers of CRIU's stats.proto. */
const FIELD = { dump: 1, frozenTime: 2, pagesWritten: 7 } as const;

/**
 * Decodes a `stats-dump` image.
 * @throws ThawError CHECKPOINT_FAILED when it is not one.
 */
export function parseDumpStats(image: Uint8Array): DumpStats {
  const fields = varints(lengthDelimited(body(image), FIELD.dump));
  const frozen = fields.get(FIELD.frozenTime);
  if (frozen === undefined) throw malformed("no frozen time in it");
  return { frozenMs: frozen / 1000, pagesWritten: fields.get(FIELD.pagesWritten) ?? 0 };
}

function body(image: Uint8Array): Uint8Array {
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  if (image.length < HEADER_BYTES) throw malformed(`${image.length} bytes, expected at least ${HEADER_BYTES}`);
  if (view.getUint32(0, true) !== SERVICE_MAGIC || view.getUint32(4, true) !== STATS_MAGIC)
    throw malformed("wrong magic");
  const length = view.getUint32(8, true);
  if (length > image.length - HEADER_BYTES) throw malformed(`says ${length} bytes, has ${image.length - HEADER_BYTES}`);
  return image.subarray(HEADER_BYTES, HEADER_BYTES + length);
}

function lengthDelimited(message: Uint8Array, wanted: number): Uint8Array {
  return decode(message, (reader) => {
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === wanted && wireType === WireType.LengthDelimited) return reader.bytes();
      reader.skip(wireType, field);
    }
    throw malformed(`field ${wanted} is missing`);
  });
}

function varints(message: Uint8Array): Map<number, number> {
  return decode(message, (reader) => {
    const found = new Map<number, number>();
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (wireType === WireType.Varint) found.set(field, Number(reader.uint64()));
      else reader.skip(wireType, field);
    }
    return found;
  });
}

function decode<T>(message: Uint8Array, read: (reader: BinaryReader) => T): T {
  try {
    return read(new BinaryReader(message));
  } catch (cause) {
    if (cause instanceof ThawError) throw cause;
    throw malformed("not a protobuf message", cause);
  }
}

function malformed(what: string, cause?: unknown): ThawError {
  return new ThawError("CHECKPOINT_FAILED", `CRIU's stats-dump image is malformed: ${what}`, { cause });
}
