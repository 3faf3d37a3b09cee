/** Compressed archives as streams that somebody stops reading. */
import { afterEach, beforeEach, test } from "bun:test";
import { randomFillSync } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readDecompressed, writeCompressed } from "./compression.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thaw-test-"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

/** Half of it cannot be made smaller, so that what is read of the file and what comes out of it are both a few chunks. */
function content(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  randomFillSync(bytes, 0, size >> 1);
  return bytes;
}

async function write(name: string, bytes: Uint8Array): Promise<string> {
  const file = join(directory, name);
  const once = async function* () {
    yield bytes;
  };
  await writeCompressed(file, once(), new AbortController().signal);
  return file;
}

async function leaveAt(file: string, chunk: number): Promise<void> {
  let seen = 0;
  for await (const _ of readDecompressed(file, () => Number.POSITIVE_INFINITY)) if (++seen > chunk) return;
}

const isOpen = (file: string) =>
  readdirSync("/proc/self/fd").some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      return false; // That of the listing itself.
    }
  });

test.each(["a.tar.zst", "a.tar.gz", "a.tar"])("%s is let go of wherever its reader stops", async (name) => {
  for (const size of [20_000, 100_000, 200_000, 660_000]) {
    const file = await write(name, content(size));
    for (let chunk = 0; chunk < 6; chunk++) {
      await Promise.all(Array.from({ length: 10 }, () => leaveAt(file, chunk)));
    }
    // It is closed by another thread.
    while (isOpen(file)) await Bun.sleep(1);
    await rm(file);
  }
});
