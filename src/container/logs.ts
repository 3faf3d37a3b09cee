/**
 * Reading a container's output back. The launcher appends records: u64 realtime nanoseconds, u32 length, u8 stream,
 * three zero bytes (all little-endian), then the bytes. A record at the end that is not whole yet is left for the next
 * reading. Following is driven by the file system's events and the container's end, never by a timer.
 */
import { watch } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoOf, ThawError } from "../common/errors.ts";
import type { LogRecord } from "./types.ts";

const HEADER_BYTES = 16;
const CHUNK_BYTES = 1 << 16;
/** The launcher writes at most 64 KiB a record; more is damage. */
const LARGEST_RECORD = 1 << 20;
const NEWLINE = 10;

/** Cuts chunks of a log file into records. */
export class LogDecoder {
  #pending: Uint8Array = new Uint8Array(0);

  /** Adds a chunk and gives back the records that are whole. @throws ThawError INTERNAL when the file is damaged. */
  push(chunk: Uint8Array): LogRecord[] {
    const bytes = new Uint8Array(this.#pending.length + chunk.length);
    bytes.set(this.#pending);
    bytes.set(chunk, this.#pending.length);
    const view = new DataView(bytes.buffer);
    const records: LogRecord[] = [];
    let at = 0;
    while (bytes.length - at >= HEADER_BYTES) {
      const length = view.getUint32(at + 8, true);
      if (length > LARGEST_RECORD) throw new ThawError("INTERNAL", `the log is damaged: a record of ${length} bytes`);
      const end = at + HEADER_BYTES + length;
      if (end > bytes.length) break;
      const stream = view.getUint8(at + 12) === 2 ? "stderr" : "stdout";
      records.push({ stream, atNs: view.getBigUint64(at, true), bytes: bytes.slice(at + HEADER_BYTES, end) });
      at = end;
    }
    this.#pending = bytes.slice(at);
    return records;
  }
}

export interface LogOptions {
  readonly follow: boolean;
  /** Lines from the end; undefined: all. */
  readonly tail?: number;
  readonly signal?: AbortSignal;
  /** Resolves when nothing more will be written. Asked for with `follow` only. */
  readonly ended: () => Promise<unknown>;
}

/** The records of a log file, oldest first; a file that is not there yet has none. */
export async function* readLog(path: string, options: LogOptions): AsyncGenerator<LogRecord> {
  const reader = new LogReader(path);
  try {
    if (options.tail === undefined) yield* reader.toEnd();
    else yield* await lastLines(reader.toEnd(), options.tail);
    if (options.follow) yield* follow(reader, path, options);
  } finally {
    await reader.close();
  }
}

class LogReader {
  readonly #path: string;
  readonly #decoder = new LogDecoder();
  #file: FileHandle | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  async *toEnd(): AsyncGenerator<LogRecord> {
    this.#file ??= await this.#open();
    if (!this.#file) return;
    const chunk = new Uint8Array(CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await this.#file.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) return;
      yield* this.#decoder.push(chunk.subarray(0, bytesRead));
    }
  }

  async #open(): Promise<FileHandle | undefined> {
    try {
      return await open(this.#path, "r");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}

async function* follow(reader: LogReader, path: string, { ended, signal }: LogOptions): AsyncGenerator<LogRecord> {
  const bell = new Bell();
  // The directory: the file itself may not be there before the first start.
  const watcher = watch(dirname(path), () => bell.ring());
  const stop = () => bell.finish();
  signal?.addEventListener("abort", stop, { once: true });
  ended().then(stop, stop);
  try {
    while (!signal?.aborted) {
      // Asked before the reading: what was written before the end is then read once more.
      const last = bell.finished;
      yield* reader.toEnd();
      if (last) return;
      await bell.rung();
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    watcher.close();
  }
}

/** Remembers one ring until it is waited for. */
class Bell {
  finished = false;
  #rings = 0;
  #wake: (() => void) | undefined;

  ring(): void {
    this.#rings++;
    this.#wake?.();
  }

  finish(): void {
    this.finished = true;
    this.ring();
  }

  async rung(): Promise<void> {
    if (this.#rings === 0) {
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
      this.#wake = undefined;
    }
    this.#rings = 0;
  }
}

/** The records that hold the last `count` lines; the first of them is cut to whole lines. */
async function lastLines(records: AsyncIterable<LogRecord>, count: number): Promise<LogRecord[]> {
  if (count <= 0) {
    for await (const _ of records);
    return [];
  }
  const kept: LogRecord[] = [];
  let newlines = 0;
  for await (const record of records) {
    kept.push(record);
    newlines += countNewlines(record.bytes);
    for (let first = kept[0]; first && kept.length > 1; first = kept[0]) {
      const without = newlines - countNewlines(first.bytes);
      if (without <= count) break;
      newlines = without;
      kept.shift();
    }
  }
  const unfinished = kept.at(-1)?.bytes.at(-1) === NEWLINE ? 0 : 1;
  return dropLines(kept, newlines + unfinished - count);
}

function countNewlines(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) count++;
  return count;
}

function dropLines(records: readonly LogRecord[], excess: number): LogRecord[] {
  let left = excess;
  return records.flatMap((record) => {
    let at = 0;
    while (left > 0 && at < record.bytes.length) {
      const newline = record.bytes.indexOf(NEWLINE, at);
      at = newline < 0 ? record.bytes.length : newline + 1;
      if (newline >= 0) left--;
    }
    return at === record.bytes.length ? [] : [{ ...record, bytes: record.bytes.subarray(at) }];
  });
}
