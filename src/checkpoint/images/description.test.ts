import { describe, expect, test } from "bun:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { holds } from "../../../tests/support/property.ts";
import {
  bool,
  bytes,
  fixed64,
  int32,
  int64,
  message,
  optional,
  repeated,
  required,
  sint32,
  sint64,
  string,
  uint32,
  uint64,
} from "./description.ts";

const inner = message("inner_entry", { value: required(1, uint32) });
const outer = message("outer_entry", {
  name: required(1, string),
  more: optional(2, inner),
  list: repeated(3, uint64),
  raw: optional(4, bytes),
  signed: optional(5, int32),
  zigzag: optional(6, sint64),
  flag: optional(7, bool),
  fixed: repeated(8, fixed64),
  long: optional(9, int64),
  short: optional(10, sint32),
});

function writer(): BinaryWriter {
  return new BinaryWriter().tag(1, WireType.LengthDelimited).string("x");
}

function refusal(content: Uint8Array, text: string): void {
  expect(() => outer.decode(content, "some.img")).toThrow(expect.objectContaining({ code: "INVALID", message: text }));
}

describe("strict decoding", () => {
  test("gives every field its value; what is missing is undefined or empty", () => {
    const content = writer().tag(2, WireType.LengthDelimited).bytes(new BinaryWriter().tag(1, 0).uint32(5).finish());
    expect(outer.decode(content.finish(), "some.img")).toEqual({
      name: "x",
      more: { value: 5 },
      list: [],
      raw: undefined,
      signed: undefined,
      zigzag: undefined,
      flag: undefined,
      fixed: [],
      long: undefined,
      short: undefined,
    });
  });

  test("a repeated field may be packed, or not, or both", () => {
    const packed = new BinaryWriter().uint64(2).uint64(3).finish();
    const content = writer().tag(3, WireType.Varint).uint64(1).tag(3, WireType.LengthDelimited).bytes(packed).finish();
    expect(outer.decode(content, "some.img").list).toEqual([1n, 2n, 3n]);
  });

  test("what the description does not allow is an error with the place", () => {
    refusal(writer().tag(11, 0).uint32(1).finish(), "some.img: outer_entry has a field 11 that thaw does not know");
    refusal(new Uint8Array(0), "some.img: outer_entry.name is missing");
    refusal(writer().tag(1, 2).string("y").finish(), "some.img: outer_entry.name: expected one value, got two");
    refusal(writer().tag(7, 2).string("y").finish(), "some.img: outer_entry.flag: expected wire type 0, got 2");
    refusal(writer().tag(7, 0).uint32(2).finish(), "some.img: outer_entry.flag: the value 2 does not fit");
    refusal(
      writer().tag(2, 2).bytes(new Uint8Array(0)).finish(),
      "some.img: outer_entry.more: inner_entry.value is missing",
    );
    const large = new BinaryWriter()
      .tag(1, 0)
      .uint64(1n << 32n)
      .finish();
    refusal(
      writer().tag(2, 2).bytes(large).finish(),
      "some.img: outer_entry.more: inner_entry.value: the value 4294967296 does not fit",
    );
    refusal(
      writer()
        .tag(5, 0)
        .int64(-(1n << 31n) - 1n)
        .finish(),
      "some.img: outer_entry.signed: the value 18446744071562067967 does not fit",
    );
  });

  test("text that is no UTF-8 is an error", () => {
    const content = new BinaryWriter().tag(1, 2).bytes(Uint8Array.of(0xff, 0xfe)).finish();
    expect(() => outer.decode(content, "some.img")).toThrow(/^some\.img: not a outer_entry: /);
  });

  test("values come back as they were written", () => {
    const i32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
    const i64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
    const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
    const values = fc.record({
      signed: i32,
      short: i32,
      zigzag: i64,
      long: i64,
      list: fc.array(u64),
      fixed: fc.array(u64),
    });
    holds(
      fc.property(values, ({ signed, short, zigzag, long, list, fixed }) => {
        const content = writer()
          .tag(5, 0)
          .int32(signed)
          .tag(10, 0)
          .sint32(short)
          .tag(6, 0)
          .sint64(zigzag)
          .tag(9, 0)
          .int64(long);
        for (const value of list) content.tag(3, 0).uint64(value);
        for (const value of fixed) content.tag(8, 1).fixed64(value);
        expect(outer.decode(content.finish(), "some.img")).toMatchObject({ signed, short, zigzag, long, list, fixed });
      }),
      200,
    );
  });

  test("any bytes are a message or an error with a code", () => {
    holds(
      fc.property(fc.uint8Array({ maxLength: 64 }), (content) => {
        try {
          expect(outer.decode(content, "some.img").name).toBeString();
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID" });
        }
      }),
      2000,
    );
  });
});
