/** What there is in a dump, counted: for people who want to know what a checkpoint is. */
import { join } from "node:path";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { z } from "zod";
import { ThawError } from "../common/errors.ts";
import { entriesOf } from "./files.ts";

const Count = z.number().int().nonnegative();

/** Counts of all processes together. */
export const CheckpointSummary = z.strictObject({
  processes: Count,
  threads: Count,
  /** Mappings. */
  vmas: Count,
  /** Open files; processes that share a table count once. */
  descriptors: Count,
  /** Bytes that a restored process touches until it has answered, where an engine has recorded it. */
  workingSetBytes: Count.optional(),
});

/** See above. */
export type CheckpointSummary = z.infer<typeof CheckpointSummary>;

/** Two magic numbers stand before an image's entries, a length before each entry. */
const MAGIC_BYTES = 8;
const LENGTH_BYTES = 4;

/** Field numbers of CRIU's pstree.proto and mm.proto. */
const THREADS = 5;
const VMAS = 14;

/** Reads CRIU's images in a directory. @throws ThawError CHECKPOINT_FAILED when they are none. */
export async function summarize(images: string): Promise<CheckpointSummary> {
  const names = await entriesOf(images);
  const all = async (pattern: RegExp) => {
    const files = names.filter((name) => pattern.test(name));
    return (await Promise.all(files.map((name) => entriesIn(join(images, name))))).flat();
  };
  const tree = await all(/^pstree\.img$/);
  const total = (entries: readonly Uint8Array[], field: number) =>
    entries.reduce((sum, entry) => sum + countOf(entry, field), 0);
  return {
    processes: tree.length,
    threads: total(tree, THREADS),
    vmas: total(await all(/^mm-\d+\.img$/), VMAS),
    descriptors: (await all(/^fdinfo-\d+\.img$/)).length,
  };
}

async function entriesIn(file: string): Promise<Uint8Array[]> {
  const bytes = await Bun.file(file).bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const entries: Uint8Array[] = [];
  for (let at = MAGIC_BYTES; at < bytes.length; ) {
    const length = at + LENGTH_BYTES <= bytes.length ? view.getUint32(at, true) : bytes.length;
    at += LENGTH_BYTES + length;
    if (at > bytes.length) throw new ThawError("CHECKPOINT_FAILED", `${file}: expected whole entries, the last is cut`);
    entries.push(bytes.subarray(at - length, at));
  }
  return entries;
}

/** How often a repeated field stands in a message; numbers may be packed into one. */
function countOf(message: Uint8Array, wanted: number): number {
  try {
    const reader = new BinaryReader(message);
    let count = 0;
    while (reader.pos < reader.len) {
      const [field, type] = reader.tag();
      if (field === wanted) count++;
      reader.skip(type, field);
      if (type === WireType.EndGroup) break;
    }
    return count;
  } catch (cause) {
    throw new ThawError("CHECKPOINT_FAILED", "an image of CRIU's is not a protobuf message", { cause });
  }
}
