/**
 * What a seccomp filter says to a system call: classic BPF as seccomp(2) has it, run here. The restorer makes a few
 * calls after the process's filters are in force, and a process whose filters refuse those is left to CRIU.
 */

const SECCOMP_RET_ALLOW = 0x7fff0000;
const SECCOMP_RET_LOG = 0x7ffc0000;
const AUDIT_ARCH_X86_64 = 0xc000003e;
const INSTRUCTION_BYTES = 8;
/** SECCOMP_RET_ACTION_FULL. */
const ACTION = 0xffff0000;
/** Of struct seccomp_data. */
const DATA_BYTES = 64;

/** The fields of struct seccomp_data, as 32-bit words. */
function seccompData(nr: number, args: readonly bigint[]): Uint32Array {
  const words = new Uint32Array(16);
  words[0] = nr;
  words[1] = AUDIT_ARCH_X86_64;
  args.forEach((value, i) => {
    words[4 + i * 2] = Number(value & 0xffffffffn);
    words[5 + i * 2] = Number((value >> 32n) & 0xffffffffn);
  });
  return words;
}

/** True when the program lets the call of that number pass. */
export function filterAllows(program: Uint8Array, nr: number, args: readonly bigint[] = []): boolean {
  const action = run(program, seccompData(nr, args));
  return action === SECCOMP_RET_ALLOW || action === SECCOMP_RET_LOG;
}

/** The filter's answer without its data; undefined when the program does something that no filter may. */
function run(program: Uint8Array, data: Uint32Array): number | undefined {
  const view = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const memory = new Uint32Array(16);
  let [a, x] = [0, 0];
  // Jumps only lead on.
  for (let pc = 0; (pc + 1) * INSTRUCTION_BYTES <= program.length; pc++) {
    const at = pc * INSTRUCTION_BYTES;
    const code = view.getUint16(at, true);
    const k = view.getUint32(at + 4, true);
    switch (code) {
      case 0x20: // ld [k]
        if (k % 4 !== 0 || k >= DATA_BYTES) return undefined;
        a = data[k / 4] ?? 0;
        break;
      case 0x80: // ld #len
        a = DATA_BYTES;
        break;
      case 0x81: // ldx #len
        x = DATA_BYTES;
        break;
      case 0x00: // ld #k
        a = k;
        break;
      case 0x01: // ldx #k
        x = k;
        break;
      case 0x60: // ld M[k]
        a = memory[k] ?? 0;
        break;
      case 0x61: // ldx M[k]
        x = memory[k] ?? 0;
        break;
      case 0x02: // st
        memory[k] = a;
        break;
      case 0x03: // stx
        memory[k] = x;
        break;
      case 0x07: // tax
        x = a;
        break;
      case 0x87: // txa
        a = x;
        break;
      case 0x05: // ja
        pc += k;
        break;
      case 0x06: // ret #k
        return actionOf(k);
      case 0x16: // ret a
        return actionOf(a);
      default: {
        const other = (code & 0x08) === 0 ? k : x;
        const result = (code & 0x07) === 0x04 ? calculate(code & 0xf0, a, other) : undefined;
        const isMet = (code & 0x07) === 0x05 ? jumps(code & 0xf0, a, other) : undefined;
        if (result !== undefined) a = result;
        else if (isMet !== undefined) pc += view.getUint8(at + (isMet ? 2 : 3));
        else return undefined;
      }
    }
  }
  return undefined;
}

function actionOf(value: number): number {
  return (value & ACTION) >>> 0;
}

/** Undefined for what is no operation of a filter, and for a division by zero, at which the kernel kills. */
function calculate(operation: number, a: number, b: number): number | undefined {
  switch (operation) {
    case 0x00:
      return (a + b) >>> 0;
    case 0x10:
      return (a - b) >>> 0;
    case 0x20:
      return Math.imul(a, b) >>> 0;
    case 0x30:
      return b === 0 ? undefined : Math.floor(a / b) >>> 0;
    case 0x40:
      return (a | b) >>> 0;
    case 0x50:
      return (a & b) >>> 0;
    case 0x60:
      return (a << b) >>> 0;
    case 0x70:
      return a >>> b;
    case 0x80:
      return -a >>> 0;
    case 0xa0:
      return (a ^ b) >>> 0;
    default:
      return undefined;
  }
}

function jumps(operation: number, a: number, b: number): boolean | undefined {
  switch (operation) {
    case 0x10:
      return a === b;
    case 0x20:
      return a > b;
    case 0x30:
      return a >= b;
    case 0x40:
      return (a & b) !== 0;
    default:
      return undefined;
  }
}
