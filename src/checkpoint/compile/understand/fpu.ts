/**
 * The FPU's state: CRIU's images have the parts of the XSAVE area as lists of numbers. Here they become the area as
 * XSAVE writes it without compaction: 512 bytes of FXSAVE, a header of 64, and each further part where CPUID says.
 */
import type { FpuEntry, XsaveEntry } from "../../images/messages/x86.ts";
import { hex, type Reasons, type XsaveLayout, type XsavePart } from "./context.ts";

/** Bits of XSTATE_BV. */
const LEGACY = 0b11n;
const TILES = (1n << 17n) | (1n << 18n);
const FXSAVE_BYTES = 512;
const HEADER_BYTES = 64;
const MXCSR_ALL = 0xffff;

/** The parts that CRIU dumps: their bits, names, and the bytes of a number and of them all. */
const PARTS: readonly {
  readonly bit: bigint;
  readonly part: XsavePart;
  readonly words: (xsave: XsaveEntry) => readonly (number | bigint)[];
  readonly width: 4 | 8;
  readonly count: number;
}[] = [
  { bit: 1n << 2n, part: "ymm", words: ({ ymm }) => ymm, width: 4, count: 64 },
  { bit: 1n << 3n, part: "bndregs", words: ({ bndregs }) => bndregs, width: 8, count: 8 },
  { bit: 1n << 4n, part: "bndcsr", words: ({ bndcsr }) => bndcsr, width: 8, count: 8 },
  { bit: 1n << 5n, part: "opmask", words: ({ opmask }) => opmask, width: 8, count: 8 },
  { bit: 1n << 6n, part: "zmm_hi256", words: ({ zmmHi256 }) => zmmHi256, width: 8, count: 64 },
  { bit: 1n << 7n, part: "hi16_zmm", words: ({ hi16Zmm }) => hi16Zmm, width: 8, count: 128 },
  { bit: 1n << 9n, part: "pkru", words: ({ pkru }) => pkru, width: 4, count: 2 },
];
const KNOWN = PARTS.reduce((bits, { bit }) => bits | bit, LEGACY);

/** The area and what is valid in it. `where` names the thread. */
export function fpuState(
  fpu: FpuEntry,
  layout: XsaveLayout,
  where: string,
  reasons: Reasons,
): { xsave: Uint8Array; xfeatures: bigint } {
  const area = new Uint8Array(Math.max(layout.size, FXSAVE_BYTES + HEADER_BYTES));
  const view = new DataView(area.buffer);
  legacy(view, fpu, where, reasons);
  const { xsave } = fpu;
  if (xsave === undefined) {
    reasons.refuse(`${where}: no XSAVE state in the images`);
    return { xsave: area, xfeatures: LEGACY };
  }
  const valid = xsave.xstateBv;
  if (valid & TILES) reasons.unsafe(`${where}: AMX tiles hold data, which CRIU does not dump`);
  const unknown = valid & ~(KNOWN | TILES);
  if (unknown !== 0n) reasons.refuse(`${where}: unknown FPU state ${hex(unknown)}`);
  if (xsave.cet !== undefined && xsave.cet.cet !== 0n) reasons.refuse(`${where}: a shadow stack`);
  for (const part of PARTS) if (valid & part.bit) write(view, part, xsave, layout, where, reasons);
  // CRIU fills in x87 and SSE where they are as at the start, so both are always valid.
  const xfeatures = (valid & KNOWN) | LEGACY;
  view.setBigUint64(FXSAVE_BYTES, xfeatures, true);
  return { xsave: area, xfeatures };
}

function legacy(view: DataView, fpu: FpuEntry, where: string, reasons: Reasons): void {
  const { cwd, swd, twd, fop } = fpu;
  for (const [at, value] of [cwd, swd, twd, fop].entries()) {
    if (value > 0xffff) reasons.refuse(`${where}: x87 state ${hex(value)} has more than 16 bits`);
    view.setUint16(at * 2, value, true);
  }
  view.setBigUint64(8, fpu.rip, true);
  view.setBigUint64(16, fpu.rdp, true);
  if (fpu.mxcsr & ~MXCSR_ALL) reasons.refuse(`${where}: MXCSR ${hex(fpu.mxcsr)} has reserved bits`);
  view.setUint32(24, fpu.mxcsr, true);
  view.setUint32(28, fpu.mxcsrMask, true);
  for (const { words, at, count } of [
    { words: fpu.st, at: 32, count: 32 },
    { words: fpu.xmm, at: 160, count: 64 },
  ]) {
    if (words.length !== count)
      reasons.refuse(`${where}: expected ${count} words of FPU registers, got ${words.length}`);
    else for (const [index, word] of words.entries()) view.setUint32(at + index * 4, word, true);
  }
}

function write(
  view: DataView,
  { part, words, width, count }: (typeof PARTS)[number],
  xsave: XsaveEntry,
  { offsets, size }: XsaveLayout,
  where: string,
  reasons: Reasons,
): void {
  const values = words(xsave);
  const offset = offsets[part];
  if (values.length !== count) {
    reasons.refuse(`${where}: expected ${count} words of ${part}, got ${values.length}`);
  } else if (offset === undefined || offset + count * width > size) {
    reasons.refuse(`${where}: this machine's XSAVE area has no place for ${part}`);
  } else {
    for (const [index, value] of values.entries()) {
      if (width === 4) view.setUint32(offset + index * 4, Number(value), true);
      else view.setBigUint64(offset + index * 8, BigInt(value), true);
    }
  }
}
