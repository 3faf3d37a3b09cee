/** Runs a seccomp filter as the kernel would, so that a test can ask it about every call there is. */

/** What a filter sees of a call. */
export interface Call {
  readonly arch: number;
  readonly number: number;
  readonly args?: readonly bigint[];
}

/** Instruction codes of classic BPF that filters are made of. */
const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const RETURN = 0x06;
const TESTS: Readonly<Record<number, (a: number, k: number) => boolean>> = {
  21: (a, k) => a === k,
  37: (a, k) => a > k,
  53: (a, k) => a >= k,
  69: (a, k) => (a & k) !== 0,
};

/** The filter's return value. */
export function ask(filter: Uint8Array, call: Call): number {
  const view = new DataView(filter.buffer, filter.byteOffset, filter.byteLength);
  const data = seccompData(call);
  let value = 0;
  for (let at = 0; at * 8 < filter.length; at++) {
    const code = view.getUint16(at * 8, true);
    const k = view.getUint32(at * 8 + 4, true);
    const test = TESTS[code];
    if (code === RETURN) return k;
    if (code === LOAD) value = data.getUint32(k, true);
    else if (code === AND) value = (value & k) >>> 0;
    else if (code === JUMP) at += k;
    else if (test) at += view.getUint8(at * 8 + (test(value, k) ? 2 : 3));
    else throw new Error(`unknown instruction ${code} at ${at}`);
  }
  throw new Error("the filter has no end");
}

/** struct seccomp_data. */
function seccompData({ arch, number, args = [] }: Call): DataView {
  const data = new DataView(new ArrayBuffer(64));
  data.setUint32(0, number, true);
  data.setUint32(4, arch, true);
  for (const [index, value] of args.entries()) data.setBigUint64(16 + 8 * index, value, true);
  return data;
}
