import { expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { parseClocks, readClocks } from "./clocks.ts";

const reading = (seconds: number, nanoseconds: number) =>
  new BinaryWriter().tag(1, 0).uint64(seconds).tag(2, 0).uint64(nanoseconds).finish();

/** As CRIU writes it. */
function image(): Uint8Array {
  const message = new BinaryWriter().tag(1, 2).bytes(reading(5, 7)).tag(2, 2).bytes(reading(20_000_000, 999_999_999));
  const bytes = message.finish();
  const head = new Uint32Array([0x54564319, 0x43114433, bytes.length]);
  return Buffer.concat([Buffer.from(head.buffer), bytes]);
}

const CLOCKS = { monotonicNs: "5000000007", boottimeNs: "20000000999999999" };

test("the clocks of an image are exact, also beyond what a number holds", () => {
  expect(parseClocks(image())).toEqual(CLOCKS);
});

test("every truncation is an error with a code", () => {
  const whole = image();
  for (let length = 0; length < whole.length; length++) {
    expect(() => parseClocks(whole.slice(0, length))).toThrow(expect.objectContaining({ code: "CHECKPOINT_FAILED" }));
  }
});

test("the clocks of a directory of images are those of its only time namespace", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thaw-clocks-"));
  try {
    expect(await readClocks(directory)).toBeUndefined();
    await writeFile(join(directory, "timens-9.img"), image());
    expect(await readClocks(directory)).toEqual(CLOCKS);
    await writeFile(join(directory, "timens-10.img"), image());
    expect(await readClocks(directory)).toBeUndefined();
  } finally {
    await rm(directory, { recursive: true });
  }
});
