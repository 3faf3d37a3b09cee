/**
 * Printing. console.log rather than process.stdout: making the latter costs Bun 12 ms, which is longer than
 * everything else that `thaw ps` does.
 */
import { asThawError, ThawError } from "../common/errors.ts";

/** A line to stdout. */
export function print(line: string): void {
  console.log(line);
}

/** A line to stderr: progress and errors. */
export function printError(line: string): void {
  console.error(line);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Columns of aligned text with a header, as Docker prints them. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => Bun.stringWidth(row[column] ?? ""))));
  const cell = (text: string, column: number) => text + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(text));
  return all.map((row) => row.map(cell).join("   ").trimEnd()).join("\n");
}

/** Control characters made visible: names and messages may come from anywhere. */
export function plain(text: string): string {
  return text.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

/** Prints an error for a person; with THAW_DEBUG=1 the stack too. */
export function printFailure(error: ThawError): void {
  printError(`thaw: ${plain(error.message)}`);
  if (error.hint !== undefined) printError(`  hint: ${plain(error.hint)}`);
  if (process.env.THAW_DEBUG === "1") printError(stackOf(error));
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof ThawError ? `[${error.code}] ` : "";
  return `${code}${error.stack ?? ""}${error.cause === undefined ? "" : `\ncaused by ${stackOf(error.cause)}`}`;
}

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes in decimal units, three digits: "12.3MB". */
export function bytesText(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), BYTE_UNITS.length - 1);
  return `${Number((bytes / 1000 ** power).toPrecision(3))}${BYTE_UNITS[power]}`;
}

const AGE_UNITS = [
  ["day", 86_400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
] as const;

/** "3 minutes ago". @param ms  milliseconds since the epoch. */
export function ageText(ms: number): string {
  const seconds = Math.max(1, Math.floor((Date.now() - ms) / 1000));
  for (const [word, size] of AGE_UNITS) {
    const count = Math.floor(seconds / size);
    if (count > 0) return `${count} ${word}${count === 1 ? "" : "s"} ago`;
  }
  return "now";
}

/** Prints a failure that is not the last one: a command on several names goes on. */
export function failedToo(error: unknown): void {
  printFailure(asThawError(error));
}
