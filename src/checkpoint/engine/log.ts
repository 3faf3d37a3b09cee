/** CRIU's logs, cut down to what a user can read: its errors, without time stamps, bounded. */
import { readFileSync } from "node:fs";

const MAX_LINES = 6;
const MAX_CHARACTERS = 1500;

/** Printed on every machine that withholds CAP_SYS_RESOURCE; says nothing about the failure. */
const HARMLESS = /RLIMIT_NOFILE for self/;

/**
 * The error lines of the first log that has any, one string; "" when none has. Read at once, not in the background:
 * the directory of a container that failed to start is about to be removed.
 */
export function criuErrors(...logs: readonly string[]): string {
  return logs.map((log) => errorLines(readOrNothing(log))).find((errors) => errors !== "") ?? "";
}

function readOrNothing(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/** The last errors in a log's text, joined by "; ". */
export function errorLines(log: string): string {
  const lines = log.split("\n").map((line) => line.replace(/^\([0-9.]+\)\s*/, "").trim());
  const told = lines.filter((line) => line !== "" && !HARMLESS.test(line));
  const errors = told.filter((line) => line.includes("Error ("));
  // What is no log line (the loader's complaint, a failed assertion) is better than nothing.
  const shown = (errors.length > 0 ? errors : told).slice(-MAX_LINES);
  return shown
    .map((line) => line.replace(/^(\d+: )?Error \(/, "("))
    .join("; ")
    .slice(-MAX_CHARACTERS);
}
