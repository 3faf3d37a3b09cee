import { expect, test } from "bun:test";
import fc from "fast-check";
import { FrameCutter } from "../src/launcher/frames.ts";
import { decodeFrame, decodePlan, encodeFrame, encodePlan, type Message } from "../src/launcher/generated/protocol.ts";
import { WireError, Writer } from "../src/launcher/wire.ts";
import { anyMessage, anyOp, NAMES } from "../tests/support/arbitraries.ts";
import { holds } from "../tests/support/property.ts";

const tag = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

/** True when `decode` gives a value or refuses with a WireError; anything else is thrown on. */
function decodesOrRefuses(decode: () => unknown): boolean {
  try {
    decode();
    return true;
  } catch (error) {
    if (error instanceof WireError) return true;
    throw error;
  }
}

test("every message comes back from its bytes as it was", () => {
  const seen = new Set<string>();
  holds(
    fc.property(anyMessage(), tag, (message, number) => {
      seen.add(message.kind);
      const bytes = encodeFrame(number, message);
      expect(decodeFrame(bytes.subarray(4))).toEqual({ tag: number, message });
      expect(encodeFrame(number, decodeFrame(bytes.subarray(4)).message)).toEqual(bytes);
    }),
    2000,
  );
  expect([...seen].toSorted()).toEqual(NAMES.messages.toSorted());
});

test("every plan comes back from its bytes as it was", () => {
  const seen = new Set<string>();
  holds(
    fc.property(fc.array(anyOp(), { maxLength: 12 }), (plan) => {
      for (const { kind } of plan) seen.add(kind);
      expect(decodePlan(encodePlan(plan))).toEqual(plan);
    }),
    2000,
  );
  expect([...seen].toSorted()).toEqual(NAMES.ops.toSorted());
});

test("frames come out of the stream whole, however it is cut", () => {
  const cuts = fc.array(fc.nat(5000), { maxLength: 20 });
  holds(
    fc.property(fc.array(anyMessage(), { maxLength: 5 }), cuts, (messages, at) => {
      const bytes = Buffer.concat(messages.map((message, index) => encodeFrame(BigInt(index), message)));
      const cutter = new FrameCutter();
      const out: Message[] = [];
      const ends = [...at.filter((end) => end < bytes.length), bytes.length].toSorted((a, b) => a - b);
      for (const [index, end] of ends.entries()) {
        cutter.push(bytes.subarray(ends[index - 1] ?? 0, end));
        for (let body = cutter.next(); body; body = cutter.next()) out.push(decodeFrame(body).message);
      }
      expect(out).toEqual(messages);
    }),
    300,
  );
});

test("arbitrary bytes are decoded or refused", () => {
  holds(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      return decodesOrRefuses(() => decodeFrame(bytes)) && decodesOrRefuses(() => decodePlan(bytes));
    }),
    2000,
  );
});

test("a text that the protocol cannot carry is refused, not cut", () => {
  holds(
    fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (before, after) => {
      expect(() => new Writer().str(`${before}\0${after}`)).toThrow(WireError);
    }),
    100,
  );
});
