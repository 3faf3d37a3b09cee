/** Archives are compressed with zstd, gzip or not at all: what a file's name says when written, its first bytes when read. */
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { PassThrough, Readable, type Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, createZstdCompress, createZstdDecompress } from "node:zlib";
import { ThawError } from "../../common/errors.ts";

/** Memory dumps are large: quick before small. */
const GZIP_LEVEL = 1;

function compressorFor(file: string): Transform {
  if (/\.t?gz$/.test(file)) return createGzip({ level: GZIP_LEVEL });
  return file.endsWith(".tar") ? new PassThrough() : createZstdCompress();
}

/** Writes a new file, readable by root alone. The caller removes it after a failure. */
export async function writeCompressed(
  file: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const sink = createWriteStream(file, { flags: "wx", mode: 0o600, flush: true });
  await pipeline(Readable.from(content, { objectMode: false }), compressorFor(file), sink, { signal });
}

/** The content of an archive, which may be left at any chunk. Reading stops with BAD_ARCHIVE behind `limit()` bytes: a small file can be a large one. */
export async function* readDecompressed(file: string, limit: () => number): AsyncGenerator<Uint8Array> {
  const source = createReadStream(file);
  const decompressor = await decompressorFor(file);
  // Whoever reads hears of the failure. Nobody waits for its end: Bun's pipeline has none when a decompressor is let go of
  // behind the last of its input.
  pipeline(source, decompressor).catch(() => {});
  let total = 0;
  try {
    for await (const chunk of decompressor) {
      total += chunk.length;
      if (total > limit())
        throw new ThawError("BAD_ARCHIVE", `the archive has more than the ${limit()} bytes that it names`);
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof ThawError) throw cause;
    throw new ThawError("BAD_ARCHIVE", "the archive cannot be decompressed", { cause });
  } finally {
    source.destroy();
    decompressor.destroy();
  }
}

async function decompressorFor(file: string): Promise<Transform> {
  const handle = await open(file, "r");
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const magic = buffer.readUInt32LE(0);
    if ((magic & 0xffff) === 0x8b1f) return createGunzip();
    return magic === 0xfd2fb528 ? createZstdDecompress() : new PassThrough();
  } finally {
    await handle.close();
  }
}
