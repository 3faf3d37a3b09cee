/** Holes in files: what is read as zeros and takes no room on the disk. */
import { dlopen } from "bun:ffi";
import { open } from "node:fs/promises";
import { ThawError } from "../../common/errors.ts";
import { PAGE } from "./recipe.ts";

/** FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE of linux/falloc.h. */
const PUNCH = 0x01 | 0x02;

/** A part of a file, in pages. */
export interface Extent {
  readonly first: number;
  readonly pages: number;
}

const libc = dlopen("libc.so.6", { fallocate: { args: ["i32", "i32", "i64", "i64"], returns: "i32" } });

/** Gives the room of parts of a file back; they are zeros from then on. False where the file system cannot. */
export async function punchHoles(file: string, extents: readonly Extent[]): Promise<boolean> {
  if (extents.length === 0) return true;
  const handle = await open(file, "r+");
  try {
    return extents.every(({ first, pages }) => {
      return libc.symbols.fallocate(handle.fd, PUNCH, BigInt(first * PAGE), BigInt(pages * PAGE)) === 0;
    });
  } finally {
    await handle.close();
  }
}

/** Overwrites parts of a file with zeros, for file systems without holes. @throws ThawError INTERNAL. */
export async function writeZeros(file: string, extents: readonly Extent[]): Promise<void> {
  const handle = await open(file, "r+");
  try {
    for (const { first, pages } of extents) {
      const { bytesWritten } = await handle.write(new Uint8Array(pages * PAGE), 0, pages * PAGE, first * PAGE);
      if (bytesWritten !== pages * PAGE) throw new ThawError("INTERNAL", `${file}: zeros could not be written`);
    }
  } finally {
    await handle.close();
  }
}
