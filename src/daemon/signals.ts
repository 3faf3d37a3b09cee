/**
 * Signals as people write them: "TERM", "SIGTERM", "15".
 */
import { constants } from "node:os";
import { ThawError } from "../common/errors.ts";

/** The number of a signal. @throws ThawError INVALID when there is no such signal. */
export function signalNumber(text: string): number {
  if (/^\d{1,2}$/.test(text) && Number(text) >= 1 && Number(text) <= 64) return Number(text);
  const name = text.toUpperCase().replace(/^(?!SIG)/, "SIG");
  const found = Object.entries(constants.signals).find(([known]) => known === name);
  if (found !== undefined) return found[1];
  throw new ThawError(
    "INVALID",
    `signal: expected a name like TERM or a number from 1 to 64, got ${JSON.stringify(text.slice(0, 40))}`,
    {
      hint: "See `kill -l` for the names of signals.",
    },
  );
}

/** Its name, "SIGTERM", or its number where it has none. */
export function signalName(number: number): string {
  return Object.entries(constants.signals).find(([, known]) => known === number)?.[0] ?? String(number);
}
