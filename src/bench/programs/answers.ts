/** What the programs of examples/programs have to answer, computed here anew: nothing is compared with itself. */
import { createHash } from "node:crypto";

const ENTRIES = 100_000;
const MODULUS = 2 ** 32;
const FACTOR = 2654435761;
const KEYS_PER_CHECK = 1000;
const KEY_STEP = 97;
const MATRIX = 300;

/** Entry `i` of the table that every program makes at its start. */
export function entry(i: number): number {
  return Math.imul(i, FACTOR) >>> 0;
}

/** Sum over the table, as /check gives it. */
export function tableChecksum(): number {
  let sum = 0;
  for (let i = 0; i < ENTRIES; i++) sum = (sum + entry(i) * ((i % 7) + 1)) % MODULUS;
  return sum;
}

/** Sum of all elements of M @ M of the numpy program: each column's sum times the sum of the row of the same number. */
export function matrixProduct(): number {
  const element = (row: number, column: number) => (31 * row + 17 * column) % 10;
  const indices = Array.from({ length: MATRIX }, (_, index) => index);
  return indices.reduce((sum, k) => {
    const column = indices.reduce((total, row) => total + element(row, k), 0);
    return sum + column * indices.reduce((total, j) => total + element(k, j), 0);
  }, 0);
}

/** The table as nginx serves it. */
export function tableText(): string {
  return Array.from({ length: ENTRIES }, (_, i) => `${entry(i).toString(16).padStart(8, "0")}\n`).join("");
}

/** Value of a key of the Redis program. */
export function redisValue(n: number): string {
  return createHash("sha1").update(String(n)).digest("hex").repeat(25);
}

/** Numbers of the keys that are asked for in one thorough check. */
export function redisKeys(): number[] {
  return Array.from({ length: KEYS_PER_CHECK }, (_, index) => (index * KEY_STEP) % ENTRIES);
}
