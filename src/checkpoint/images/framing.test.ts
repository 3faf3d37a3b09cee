import { describe, expect, test } from "bun:test";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { message, required, uint32 } from "./description.ts";
import { decodeImage, decodeWithHead, type Frame } from "./framing.ts";

const packet = message("packet_entry", { length: required(1, uint32) });
const frame: Frame<{ readonly length: number }> = {
  magic: 0x11223344,
  message: packet,
  payload: ({ length }) => length,
};
const COMMON = 0x54564319;

function words(...values: number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(values).buffer);
}

function entry(length: number, payload = ""): Uint8Array {
  const body = new BinaryWriter().tag(1, 0).uint32(length).finish();
  return Buffer.concat([words(body.length), body, Buffer.from(payload)]);
}

function image(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat([words(COMMON, frame.magic), ...parts]);
}

describe("frames of images", () => {
  test("entries come with the bytes that follow them", () => {
    const entries = decodeImage(image(entry(3, "abc"), entry(0), entry(1, "d")), "x.img", frame);
    expect(entries.map(({ payload }) => Buffer.from(payload).toString())).toEqual(["abc", "", "d"]);
    expect(decodeImage(image(), "x.img", frame)).toEqual([]);
  });

  test("another magic is an error with both", () => {
    const message = "x.img: expected the magic 0x11223344, got 0x11223345";
    expect(() => decodeImage(words(COMMON, 0x11223345), "x.img", frame)).toThrow(message);
    expect(() => decodeImage(words(frame.magic), "x.img", frame)).toThrow("x.img: expected the magic 0x54564319");
    expect(decodeImage(words(frame.magic), "x.img", { ...frame, bare: true })).toEqual([]);
  });

  test("every cut but between entries is an error with its place", () => {
    const whole = image(entry(3, "abc"));
    for (let length = 0; length < whole.length; length++) {
      if (length === 8) continue;
      const decode = () => decodeImage(whole.subarray(0, length), "x.img", frame);
      expect(decode).toThrow(
        expect.objectContaining({ code: "INVALID", message: expect.stringMatching(/^x\.img: .* are left$/) }),
      );
    }
  });

  test("lengths beyond the end take no memory", () => {
    const message = "x.img: an entry at 12 needs 4294967295 bytes, 0 are left";
    expect(() => decodeImage(image(words(0xffffffff)), "x.img", frame)).toThrow(message);
    const data = "x.img: an entry's data at 18 needs 4294967295 bytes, 0 are left";
    expect(() => decodeImage(image(entry(0xffffffff)), "x.img", frame)).toThrow(data);
  });

  test("an image of one entry has exactly one", () => {
    const single = { ...frame, single: true };
    for (const [count, entries] of [
      [0, []],
      [2, [entry(0), entry(0)]],
    ] as const) {
      expect(() => decodeImage(image(...entries), "x.img", single)).toThrow(`x.img: expected one entry, got ${count}`);
    }
  });

  test("the first entry may be another message", () => {
    const head = message("head_entry", { id: required(2, uint32) });
    const first = new BinaryWriter().tag(2, 0).uint32(7).finish();
    const decoded = decodeWithHead(image(words(first.length), first, entry(4)), "x.img", head, frame);
    expect(decoded).toEqual({ head: { id: 7 }, entries: [{ length: 4 }] });
    expect(() => decodeWithHead(image(), "x.img", head, frame)).toThrow("x.img: an entry's length");
  });
});
