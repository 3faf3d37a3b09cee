import { expect, test } from "bun:test";
import { StdcopyReader, stdcopyFrame } from "./stdcopy.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("frames come apart however they are cut", () => {
  const wire = Buffer.concat([
    stdcopyFrame("stdout", bytes("one")),
    stdcopyFrame("stderr", bytes("")),
    stdcopyFrame("stderr", bytes("two!")),
    stdcopyFrame("stdout", bytes("three")),
  ]);
  for (let size = 1; size <= wire.length; size++) {
    const got = { stdout: "", stderr: "" };
    const reader = new StdcopyReader((stream, part) => {
      got[stream] += Buffer.from(part).toString();
    });
    for (let at = 0; at < wire.length; at += size) reader.push(wire.subarray(at, at + size));
    expect(got).toEqual({ stdout: "onethree", stderr: "two!" });
  }
});

test("a header is the stream, three zeroes and a big-endian length", () => {
  expect([...stdcopyFrame("stderr", new Uint8Array(258)).subarray(0, 8)]).toEqual([2, 0, 0, 0, 0, 0, 1, 2]);
});
