/** Reading the small files of a cgroup. */
import { readFile } from "node:fs/promises";

/** A file's text, trimmed; undefined when it is not there. */
export async function textOf(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    return undefined;
  }
}

/** A number; "max" and v1's largest number are Infinity; undefined when the file is not there. */
export function numberIn(text: string | undefined): number | undefined {
  if (text === undefined || text === "") return undefined;
  // v1 says "no limit" by the most pages that fit a signed 64-bit number of bytes.
  return text === "max" || Number(text) >= 2 ** 62 ? Number.POSITIVE_INFINITY : Number(text);
}

/** The lines "name number" of a file. */
export function tableIn(text: string | undefined): Record<string, number> {
  const lines = (text ?? "").split("\n").map((line) => line.split(" "));
  return Object.fromEntries(lines.flatMap(([name, value]) => (name && value ? [[name, Number(value)]] : [])));
}
