/**
 * The rules of v1's devices controller as a BPF program for a v2 leaf. The kernel calls it with three numbers (what is
 * asked and of which type in one, major, minor) for every device that is made or opened; 1 lets it happen.
 */

/** What the program is asked: registers that hold it while the rules are tried. */
const TYPE = 2;
const ACCESS = 3;
const MAJOR = 4;
const MINOR = 5;
const SCRATCH = 1;
const RESULT = 0;

const TYPES = { b: 1, c: 2 } as const;
const RIGHTS = { m: 1, r: 2, w: 4 } as const;
const ALL_RIGHTS = 7;

const LOAD_WORD = 0x61;
const AND = 0x54;
const SHIFT_RIGHT = 0x74;
const COPY = 0xbc;
const SET = 0xb7;
const JUMP_UNLESS_EQUAL = 0x55;
const EXIT = 0x95;
const INSTRUCTION_BYTES = 8;

interface Instruction {
  readonly code: number;
  readonly to?: number;
  readonly from?: number;
  readonly offset?: number;
  readonly value?: number;
}

/** The program that allows what the rules say ("c 1:3 rwm", "b *:* m", "a *:* rwm") and nothing else. */
export function deviceFilter(rules: readonly string[]): Uint8Array {
  const program: Instruction[] = [
    { code: LOAD_WORD, to: TYPE, from: 1, offset: 0 },
    { code: COPY, to: ACCESS, from: TYPE },
    { code: AND, to: TYPE, value: 0xffff },
    { code: SHIFT_RIGHT, to: ACCESS, value: 16 },
    { code: LOAD_WORD, to: MAJOR, from: 1, offset: 4 },
    { code: LOAD_WORD, to: MINOR, from: 1, offset: 8 },
    ...rules.flatMap(allowance),
    { code: SET, to: RESULT, value: 0 },
    { code: EXIT },
  ];
  return encode(program);
}

/** Tries one rule: goes on behind it as soon as something does not fit, else allows. */
function allowance(rule: string): Instruction[] {
  const [, type, major, minor, rights] = /^([abc]) (\d+|\*):(\d+|\*) ([rwm]+)$/.exec(rule) ?? [];
  if (type === undefined || rights === undefined) throw new Error(`not a device rule: ${rule}`);
  // The expression lets no other letters through.
  const allowed = [...rights].reduce((bits, letter) => bits | RIGHTS[letter as keyof typeof RIGHTS], 0);
  const tests: Instruction[][] = [
    type === "a" ? [] : [unlessEqual(TYPE, TYPES[type as keyof typeof TYPES])],
    [
      { code: COPY, to: SCRATCH, from: ACCESS },
      { code: AND, to: SCRATCH, value: ALL_RIGHTS & ~allowed },
      unlessEqual(SCRATCH, 0),
    ],
    major === "*" ? [] : [unlessEqual(MAJOR, Number(major))],
    minor === "*" ? [] : [unlessEqual(MINOR, Number(minor))],
  ];
  const allow: Instruction[] = [{ code: SET, to: RESULT, value: 1 }, { code: EXIT }];
  const body = [...tests.flat(), ...allow];
  return body.map((instruction, index) =>
    instruction.code === JUMP_UNLESS_EQUAL ? { ...instruction, offset: body.length - index - 1 } : instruction,
  );
}

function unlessEqual(register: number, value: number): Instruction {
  return { code: JUMP_UNLESS_EQUAL, to: register, value };
}

/** `code`, two registers of four bits, a signed jump or place of 16, a value of 32; little-endian. */
function encode(program: readonly Instruction[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(program.length * INSTRUCTION_BYTES));
  for (const [index, { code, to = 0, from = 0, offset = 0, value = 0 }] of program.entries()) {
    const at = index * INSTRUCTION_BYTES;
    view.setUint8(at, code);
    view.setUint8(at + 1, (from << 4) | to);
    view.setInt16(at + 2, offset, true);
    view.setInt32(at + 4, value, true);
  }
  return new Uint8Array(view.buffer);
}
