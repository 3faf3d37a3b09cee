import { expect, test } from "bun:test";
import { deviceFilter } from "./device-filter.ts";

const RIGHTS = { m: 1, r: 2, w: 4 };

/** What the kernel would answer: the few instructions there are, carried out. */
function ask(program: Uint8Array, type: "b" | "c", major: number, minor: number, rights: string): boolean {
  const view = new DataView(program.buffer);
  const access = [...rights].reduce((bits, letter) => bits | RIGHTS[letter as keyof typeof RIGHTS], 0);
  const asked = [((access << 16) | (type === "b" ? 1 : 2)) >>> 0, major, minor];
  const registers = Array<number>(11).fill(0);
  for (let at = 0; ; at += 8) {
    const [code, both, offset, value] = [
      view.getUint8(at),
      view.getUint8(at + 1),
      view.getInt16(at + 2, true),
      view.getInt32(at + 4, true),
    ];
    const [to, from] = [both & 15, both >> 4];
    const now = registers[to] ?? 0;
    if (code === 0x61) registers[to] = asked[offset / 4] ?? -1;
    else if (code === 0xbc) registers[to] = registers[from] ?? 0;
    else if (code === 0x54) registers[to] = (now & value) >>> 0;
    else if (code === 0x74) registers[to] = now >>> value;
    else if (code === 0xb7) registers[to] = value;
    else if (code === 0x55) at += now === value ? 0 : offset * 8;
    else if (code === 0x95) return registers[0] === 1;
    else throw new Error(`no such instruction: ${code}`);
  }
}

test("a device filter allows what its rules say, and nothing else", () => {
  const program = deviceFilter(["c *:* m", "c 1:3 rwm", "b 8:* r", "a 250:7 w"]);
  const allowed = [
    ["c", 9, 9, "m"],
    ["c", 1, 3, "rw"],
    ["b", 8, 200, "r"],
    ["b", 250, 7, "w"],
    ["c", 250, 7, "w"],
  ] as const;
  const refused = [
    ["b", 9, 9, "m"],
    ["c", 1, 4, "r"],
    ["c", 1, 3 + 2 ** 20, "r"],
    ["b", 1, 3, "r"],
    ["b", 8, 0, "rw"],
    ["c", 8, 0, "r"],
    ["c", 250, 7, "r"],
  ] as const;
  for (const [type, major, minor, rights] of allowed) expect(ask(program, type, major, minor, rights)).toBe(true);
  for (const [type, major, minor, rights] of refused) expect(ask(program, type, major, minor, rights)).toBe(false);
  expect(ask(deviceFilter([]), "c", 1, 3, "r")).toBe(false);
});

test.each(["x 1:3 r", "c 1 r", "c 1:3", "c 1:3 q", "c -1:3 r"])("%j is no device rule", (rule) => {
  expect(() => deviceFilter([rule])).toThrow("not a device rule");
});
