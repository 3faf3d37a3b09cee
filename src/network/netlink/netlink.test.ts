import { expect, test } from "bun:test";
import { addElements, concatenation, deleteElements, portBytes } from "./elements.ts";
import { batch, message, nest, text, u32 } from "./message.ts";
import { descriptorOffset, joinBridge, newVeth } from "./route.ts";

/** Lengths, types, flags and sequence numbers of a batch's messages. */
function heads(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: { type: number; flags: number; sequence: number; length: number }[] = [];
  for (let at = 0; at < bytes.length; at += Math.ceil(view.getUint32(at, true) / 4) * 4) {
    const length = view.getUint32(at, true);
    found.push({
      length,
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
    });
  }
  return found;
}

test("attributes are padded, messages are counted", () => {
  const one = message(16, 4, Uint8Array.of(1, 2, 3), text(3, "ab"), nest(18, u32(1, 7)));
  expect([...one.body]).toEqual([1, 2, 3, 0, 7, 0, 3, 0, 97, 98, 0, 0, 12, 0, 18, 0x80, 8, 0, 1, 0, 7, 0, 0, 0]);
  expect(heads(batch([one, one]))).toEqual([
    { length: 40, type: 16, flags: 5, sequence: 1 },
    { length: 40, type: 16, flags: 5, sequence: 2 },
  ]);
});

test("the descriptor's place is found, also among bytes that look like it", () => {
  const options = { name: "eth0", index: 100, outsideName: "thaw0v0", mtu: 0xffffffff };
  const bytes = batch([newVeth({ ...options, mac: Uint8Array.of(255, 255, 255, 255, 255, 255) })]);
  const at = descriptorOffset(bytes);
  expect([...bytes.subarray(at - 4, at + 4)]).toEqual([8, 0, 28, 0, 255, 255, 255, 255]);
  expect(descriptorOffset(batch([joinBridge("a", 0xffffffff)]))).toBe(0);
});

test("elements stand in a transaction, their parts padded to four bytes", () => {
  expect([...concatenation(Uint8Array.of(6), portBytes(8080))]).toEqual([6, 0, 0, 0, 31, 144, 0, 0]);
  const element = { table: "t", map: "m", key: portBytes(1), value: portBytes(2) };
  for (const change of [addElements, deleteElements]) {
    const types = heads(batch(change([element, element]))).map(({ type }) => type);
    expect([types[0], types.at(-1), types.length]).toEqual([16, 17, 4]);
  }
});
