/** Lists of numbers as the kernel writes them: "0-3,8". */

const HIGHEST = 65_535;

/** The numbers of a list; undefined when it is none, or empty. */
export function parseNumbers(text: string): Set<number> | undefined {
  const numbers = new Set<number>();
  for (const part of text.trim().split(",")) {
    const [, first, last] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim()) ?? [];
    if (first === undefined) return undefined;
    const [from, to] = [Number(first), Number(last ?? first)];
    if (from > to || to > HIGHEST) return undefined;
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return numbers;
}
