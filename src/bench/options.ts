/** Values of options that several benchmarks have. */
import { InvalidArgumentError } from "commander";

/** @throws InvalidArgumentError. */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 3600)) throw new InvalidArgumentError("expected a number above 0, at most 3600");
  return value;
}

/** @throws InvalidArgumentError. */
export function whole(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError("expected a whole number from 1 up");
  return Number(text);
}

/** Whole numbers with commas between them, none above `most`. */
export function wholes(most: number): (text: string) => number[] {
  return (text) => {
    const list = text.split(",").map((word) => whole(word.trim()));
    if (list.some((value) => value > most)) throw new InvalidArgumentError(`expected at most ${most}`);
    return [...new Set(list)];
  };
}
