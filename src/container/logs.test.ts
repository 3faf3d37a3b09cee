import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LogDecoder, type LogOptions, readLog } from "./logs.ts";
import type { LogRecord } from "./types.ts";

let directory: string;
let files = 0;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function encode(text: string, stream = 1, atNs = 7n): Uint8Array {
  const bytes = Buffer.from(text);
  const head = Buffer.alloc(16);
  head.writeBigUInt64LE(atNs, 0);
  head.writeUInt32LE(bytes.length, 8);
  head[12] = stream;
  return Buffer.concat([head, bytes]);
}

function logOf(...texts: string[]): string {
  const path = join(directory, `log${files++}`);
  writeFileSync(path, Buffer.concat(texts.map((text) => encode(text))));
  return path;
}

async function read(path: string, options: Partial<LogOptions> = {}): Promise<string> {
  const never = () => new Promise<never>(() => {});
  const records = await Array.fromAsync(readLog(path, { follow: false, ended: never, ...options }));
  return records.map(({ bytes }) => Buffer.from(bytes).toString()).join("");
}

test.each([1, 5, 16, 17, 1000])("decodes records out of chunks of %d bytes", (size) => {
  const bytes = Buffer.concat([encode("one\n", 1, 1n), encode("", 1, 2n), encode("two", 2, 3n)]);
  const decoder = new LogDecoder();
  const records: LogRecord[] = [];
  for (let at = 0; at < bytes.length; at += size) records.push(...decoder.push(bytes.subarray(at, at + size)));
  expect(records.map(({ stream, atNs, bytes }) => [stream, atNs, Buffer.from(bytes).toString()])).toEqual([
    ["stdout", 1n, "one\n"],
    ["stdout", 2n, ""],
    ["stderr", 3n, "two"],
  ]);
});

test("a record that is not whole is left for later", () => {
  const decoder = new LogDecoder();
  const bytes = encode("late");
  expect(decoder.push(bytes.subarray(0, 19))).toEqual([]);
  expect(decoder.push(bytes.subarray(19))).toHaveLength(1);
});

test("a damaged file is said to be", () => {
  const bytes = encode("x");
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(8, 0xffffffff, true);
  expect(() => new LogDecoder().push(bytes)).toThrow("the log is damaged");
});

test("a log that is not there is empty", async () => {
  expect(await read(join(directory, "none"))).toBe("");
});

test.each([
  [0, ""],
  [1, "five\n"],
  [2, "four\nfive\n"],
  [4, "two\nthree\nfour\nfive\n"],
  [9, "one\ntwo\nthree\nfour\nfive\n"],
])("the last %d lines, wherever the records are cut", async (tail, expected) => {
  expect(await read(logOf("one\ntwo\n", "th", "ree\nfour\n", "five\n"), { tail })).toBe(expected);
  expect(await read(logOf("one\ntwo\nthree\nfour\nfive\n"), { tail })).toBe(expected);
});

test("a line without its end counts as one", async () => {
  expect(await read(logOf("one\ntwo"), { tail: 1 })).toBe("two");
  expect(await read(logOf("one\ntwo"), { tail: 2 })).toBe("one\ntwo");
});

test("following sees what comes, a file that comes later too, and all before the end", async () => {
  const path = join(directory, "later");
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const seen: string[] = [];
  const following = (async () => {
    for await (const { bytes } of readLog(path, { follow: true, ended: () => ended })) {
      seen.push(Buffer.from(bytes).toString());
      if (seen.length === 1) appendFileSync(path, encode("second"));
      if (seen.length === 2) {
        appendFileSync(path, encode("last"));
        end();
      }
    }
  })();
  await Bun.sleep(10);
  writeFileSync(path, encode("first"));
  await following;
  expect(seen).toEqual(["first", "second", "last"]);
});

test("following is given up when asked to", async () => {
  const stop = new AbortController();
  const reading = read(logOf("a"), { follow: true, signal: stop.signal });
  stop.abort();
  expect(await reading).toBe("a");
});
