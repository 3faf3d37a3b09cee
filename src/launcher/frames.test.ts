import { expect, test } from "bun:test";
import { FrameCutter } from "./frames.ts";
import { decodeFrame, encodeFrame, type Message } from "./generated/protocol.ts";
import { WireError } from "./wire.ts";

const messages: Message[] = [
  { kind: "ok", value: 7n },
  { kind: "error", errno: 98, message: "Address already in use" },
  { kind: "list" },
];

function frames(): Uint8Array {
  return Buffer.concat(messages.map((message, index) => encodeFrame(BigInt(index), message)));
}

test.each([1, 2, 3, 7, 1000])("cuts frames out of chunks of %d bytes", (size) => {
  const cutter = new FrameCutter();
  const seen: Message[] = [];
  const bytes = frames();
  for (let at = 0; at < bytes.length; at += size) {
    cutter.push(bytes.subarray(at, at + size));
    for (let body = cutter.next(); body; body = cutter.next()) seen.push(decodeFrame(body).message);
  }
  expect(seen).toEqual(messages);
  expect(cutter.rest.length).toBe(0);
});

test("keeps what follows a frame", () => {
  const cutter = new FrameCutter();
  cutter.push(Buffer.concat([encodeFrame(1n, { kind: "ok", value: 0n }), Buffer.from("raw")]));
  expect(cutter.next()).toBeDefined();
  expect(Buffer.from(cutter.rest).toString()).toBe("raw");
});

test("refuses a frame beyond the bound", () => {
  const cutter = new FrameCutter();
  cutter.push(new Uint8Array([255, 255, 255, 127]));
  expect(() => cutter.next()).toThrow(WireError);
});
