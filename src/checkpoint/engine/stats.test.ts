import { describe, expect, test } from "bun:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { parseDumpStats } from "./stats.ts";

/** A stats-dump image as CRIU writes it: freezing, frozen, memdump and memwrite times in microseconds, pages. */
function image(frozenUs: number): Uint8Array {
  const dump = new BinaryWriter();
  for (const [field, value] of [
    [1, 900],
    [2, frozenUs],
    [3, 4000],
    [4, 3000],
    [5, 700],
    [6, 20],
    [7, 680],
  ] as const) {
    dump.tag(field, 0).uint32(value);
  }
  const message = new BinaryWriter().tag(1, 2).bytes(dump.finish()).finish();
  const bytes = new Uint8Array(12 + message.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0x55105940, true);
  view.setUint32(4, 0x57093306, true);
  view.setUint32(8, message.length, true);
  bytes.set(message, 12);
  return bytes;
}

describe("parseDumpStats", () => {
  test("takes the frozen time in milliseconds and the pages", () => {
    expect(parseDumpStats(image(12_345))).toEqual({ frozenMs: 12.345, pagesWritten: 680 });
  });

  test("every truncation is an error with a code, never a crash", () => {
    const whole = image(12_345);
    for (let length = 0; length < whole.length; length++) {
      expect(() => parseDumpStats(whole.slice(0, length))).toThrow(
        expect.objectContaining({ code: "CHECKPOINT_FAILED" }),
      );
    }
  });

  test("another image is refused", () => {
    const other = image(1);
    other[4] = 0;
    expect(() => parseDumpStats(other)).toThrow("wrong magic");
  });
});
