import { describe, expect, test } from "bun:test";
import { decodeFrame, decodePlan, encodeFrame, encodePlan, type Op } from "../src/launcher/generated/protocol.ts";
import { WireError, Writer } from "../src/launcher/wire.ts";
import { SAMPLES, sampleTag } from "./samples.ts";

const golden = (name: string) => Bun.file(new URL(`./golden/${name}.bin`, import.meta.url)).bytes();

test("what was added has its golden frame (`bun protocol/samples.ts` writes it)", async () => {
  const missing: string[] = [];
  for (const name of Object.keys(SAMPLES)) {
    if (!(await Bun.file(new URL(`./golden/${name}.bin`, import.meta.url)).exists())) missing.push(name);
  }
  expect(missing).toEqual([]);
});

describe("golden frames", () => {
  for (const [name, message] of Object.entries(SAMPLES)) {
    test(`${name} is decoded to its values and encoded to its bytes`, async () => {
      const bytes = await golden(name);
      const frame = decodeFrame(bytes.subarray(4));
      expect(frame.message).toEqual(message);
      expect(frame.tag).toBe(sampleTag(message));
      expect(encodeFrame(frame.tag, frame.message)).toEqual(bytes);
    });
  }
});

/** A small generator of our own, so that a failure can be repeated from its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("malformed frames", () => {
  test("every truncation of every golden frame is a WireError", async () => {
    for (const name of Object.keys(SAMPLES)) {
      const body = (await golden(name)).subarray(4);
      for (let length = 0; length < body.length; length++) {
        expect(() => decodeFrame(body.slice(0, length))).toThrow(WireError);
      }
    }
  });

  test("5,000 damaged frames are decoded or refused, nothing else", async () => {
    const next = random(7);
    const bodies = await Promise.all(Object.keys(SAMPLES).map(async (name) => (await golden(name)).subarray(4)));
    for (let i = 0; i < 5000; i++) {
      const body = Uint8Array.from(bodies[i % bodies.length] ?? []);
      for (let flips = 0; flips < 3; flips++) body[Math.floor(next() * body.length)] = Math.floor(next() * 256);
      try {
        decodeFrame(body);
      } catch (error) {
        expect(error).toBeInstanceOf(WireError);
      }
    }
  });

  test("a NUL inside a string is refused where it is made", () => {
    expect(() => new Writer().str("a\0b")).toThrow(WireError);
    expect(() => encodePlan([{ kind: "hostname", name: "a\0" }])).toThrow(WireError);
  });
});

test("a plan goes through unchanged", () => {
  const plan: Op[] = [
    { kind: "remove_tree", path: "/x" },
    { kind: "spawn", role: 2, wait: 3, namespaces: 1n, join: 0 },
    { kind: "exit", status: 255 },
  ];
  expect(decodePlan(encodePlan(plan))).toEqual(plan);
});
