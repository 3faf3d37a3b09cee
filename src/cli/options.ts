/**
 * Options' texts made values, each with an error that says what came and what was expected.
 */
import { readFileSync } from "node:fs";
import { parseDuration, parseSize } from "../api/texts.ts";
import { ThawError } from "../common/errors.ts";
import { shorten, show } from "../common/show.ts";

/** The error for an option whose text is not what it should be. */
export function bad(option: string, expected: string, got: string): ThawError {
  return new ThawError("INVALID", `${option}: expected ${expected}, got ${show(got)}`, {
    hint: "Correct the option; every command explains its options with --help.",
  });
}

/** Bytes. @throws ThawError INVALID. */
export function sizeOption(option: string, text: string): number {
  const size = parseSize(text);
  if (size === undefined || size < 1) throw bad(option, "a size such as 512m or 1.5g", text);
  return size;
}

/** Characters of a path in a message. */
const LONGEST_PATH = 200;

/** More than any machine has, few enough that billionths of them are exact. */
const MOST_CPUS = 8192;

/** Billionths of a CPU. @throws ThawError INVALID. */
export function cpusOption(text: string): number {
  const cpus = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || cpus < 0.01 || cpus > MOST_CPUS)
    throw bad("--cpus", `a number of CPUs such as 0.5, at least 0.01, at most ${MOST_CPUS}`, text);
  return Math.round(cpus * 1e9);
}

/** A whole number from `least` up. @throws ThawError INVALID. */
export function countOption(option: string, text: string, least = 0): number {
  const count = Number(text);
  if (!/^-?\d{1,15}$/.test(text) || count < least) throw bad(option, `a whole number from ${least} up`, text);
  return count;
}

/** Seconds of "10" or a duration such as "2s". @throws ThawError INVALID. */
export function secondsOption(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  const ms = parseDuration(text);
  if (ms === undefined) throw bad(option, "seconds, or a duration such as 500ms or 1m30s", text);
  return Math.ceil(ms / 1000);
}

/** `NAME=value` as it is; `NAME` alone takes the value of this environment. */
export function envOption(text: string): string {
  if (text.includes("=")) return text;
  const value = process.env[text];
  return value === undefined ? text : `${text}=${value}`;
}

/** The variables of an env file: NAME=value lines, empty lines and # comments. @throws ThawError PATH_NOT_FOUND, INVALID. */
export function envFile(path: string): string[] {
  const lines = readText(path, "--env-file").split("\n");
  return lines.flatMap((line, index) => {
    const text = line.replace(/\r$/, "").trimStart();
    if (text === "" || text.startsWith("#")) return [];
    if (/^[^=\s]+(=|$)/.test(text)) return [envOption(text)];
    throw bad(`${path}:${index + 1}`, "NAME=value", text.slice(0, 60));
  });
}

/** The text of a file that an option names. @throws ThawError PATH_NOT_FOUND. */
export function readText(path: string, option: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new ThawError("PATH_NOT_FOUND", `${option}: cannot read ${shorten(path, LONGEST_PATH)}`, {
      hint: "Check the path.",
      cause,
    });
  }
}
