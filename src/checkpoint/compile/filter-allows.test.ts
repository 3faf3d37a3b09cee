/** What a filter is taken to say, against the kernel, which is asked the same. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { holds } from "../../../tests/support/property.ts";
import { execOk } from "../../common/exec.ts";
import { filterAllows } from "./filter-allows.ts";

const SOURCE = new URL("../../../tests/support/filter-says.c", import.meta.url).pathname;
const GETPPID = 110;
const ALLOW = 0x7fff0000;
const CASES = 800;

interface Instruction {
  readonly code: number;
  readonly jt?: number;
  readonly jf?: number;
  readonly k: number;
}

function assemble(instructions: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(instructions.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [index, { code, jt = 0, jf = 0, k }] of instructions.entries()) {
    view.setUint16(index * 8, code, true);
    view.setUint8(index * 8 + 2, jt);
    view.setUint8(index * 8 + 3, jf);
    view.setUint32(index * 8 + 4, k, true);
  }
  return bytes;
}

/** Loads of the number, the architecture and the arguments, but not of where the call was made. */
const load = fc.constantFrom(0, 4, ...Array.from({ length: 12 }, (_, i) => 16 + 4 * i)).map((k) => ({ code: 0x20, k }));
const value = fc.oneof(
  fc.nat(3),
  fc.constantFrom(GETPPID, 0xc000003e, 0x80000000, 0xffffffff),
  fc.integer({ min: 0, max: 0xffffffff }),
);
const shift = fc.constantFrom(0x60, 0x70).chain((op) => fc.nat(31).map((k) => ({ code: 0x04 | op, k })));
const calculate = fc
  .tuple(fc.constantFrom(0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x80, 0xa0), fc.boolean(), value)
  .map(([op, withX, k]) => ({
    code: 0x04 | op | (withX && op !== 0x80 ? 0x08 : 0),
    k: op === 0x80 || withX ? 0 : Math.max(k, 1),
  }));
const move = fc
  .tuple(fc.constantFrom(0x00, 0x01, 0x02, 0x03, 0x60, 0x61, 0x07, 0x87, 0x80, 0x81), value)
  .map(([code, k]) => ({
    code,
    k: code === 0 || code === 1 ? k : [0x07, 0x87, 0x80, 0x81].includes(code) ? 0 : k % 16,
  }));
const jump = fc
  .tuple(fc.constantFrom(0x15, 0x25, 0x35, 0x45, 0x1d, 0x2d, 0x3d, 0x4d), fc.nat(3), fc.nat(3), value)
  .map(([code, jt, jf, k]) => ({ code, jt, jf, k }));
const answers = [ALLOW, 0x7ffc0000, 0x00050001, 0x00050000, 0, 0x80000000, 0x00030000, 0x7ff00001, ALLOW + 7];
const answer = fc.constantFrom(...answers).map((k) => ({ code: 0x06, k }));
const give = fc.constantFrom({ code: 0x16, k: 0 });

/** A program that the kernel takes: jumps stay in it, and cells are written before they are read. */
const program = fc
  .tuple(
    fc.array(fc.oneof(load, calculate, shift, move, jump, jump), { maxLength: 14 }),
    fc.array(fc.oneof(answer, give), { minLength: 4, maxLength: 4 }),
  )
  .map(([body, ends]) => {
    const cells = Array.from({ length: 16 }, (_, k) => ({ code: 0x02, k }));
    return assemble([...cells, ...body, ...ends]);
  });
const args = fc.array(fc.bigInt(0n, 2n ** 64n - 1n), { minLength: 6, maxLength: 6 });

/** Without the cells that are written first. */
function shown(bytes: Uint8Array = new Uint8Array()): string {
  return (Buffer.from(bytes).toString("hex").match(/.{16}/g) ?? []).slice(16).join(" ");
}

describe("filterAllows", () => {
  let directory: string;
  let asker: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
    asker = join(directory, "filter-says");
    await execOk(["gcc", "-O1", "-o", asker, SOURCE]);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  function askKernel(cases: readonly { program: Uint8Array; args: readonly bigint[] }[]): string {
    const parts = cases.map(({ program: bytes, args: values }) => {
      const head = new DataView(new ArrayBuffer(52));
      head.setUint32(0, bytes.length, true);
      for (const [i, arg] of values.entries()) head.setBigUint64(4 + 8 * i, arg, true);
      return Buffer.concat([new Uint8Array(head.buffer), bytes]);
    });
    const { stdout, exitCode } = Bun.spawnSync([asker], { stdin: Buffer.concat(parts) });
    expect(exitCode).toBe(0);
    return stdout.toString();
  }

  test("agrees with the kernel on every program that it takes", () => {
    const cases: { program: Uint8Array; args: bigint[] }[] = [];
    holds(
      fc.property(fc.record({ program, args }), (one) => {
        cases.push(one);
      }),
      CASES,
    );
    const said = askKernel(cases);
    expect(said.length).toBe(cases.length);
    const ours = cases.map((one) => (filterAllows(one.program, GETPPID, one.args) ? "y" : "n")).join("");
    const disagree = [...said].flatMap((letter, i) => (letter === "x" || letter === ours[i] ? [] : [i]));
    expect(disagree.map((i) => `${said[i]}: ${shown(cases[i]?.program)}`)).toEqual([]);
    const count = (letter: string) => [...said].filter((other) => other === letter).length;
    expect(count("y")).toBeGreaterThan(CASES / 20);
    expect(count("n")).toBeGreaterThan(CASES / 20);
    expect(count("x")).toBeLessThan(CASES / 10);
  });

  test("takes what it does not know for a no", () => {
    const allow = { code: 0x06, k: ALLOW };
    expect(filterAllows(assemble([allow]), 1)).toBe(true);
    for (const code of [0x28, 0x30, 0x94, 0x95, 0xff])
      expect(filterAllows(assemble([{ code, k: 0 }, allow]), 1)).toBe(false);
    expect(filterAllows(assemble([{ code: 0x20, k: 64 }, allow]), 1)).toBe(false);
    expect(filterAllows(assemble([{ code: 0x05, k: 9 }, allow]), 1)).toBe(false);
    expect(filterAllows(new Uint8Array(), 1)).toBe(false);
  });
});
