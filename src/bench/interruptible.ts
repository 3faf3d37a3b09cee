/** What benchmarks of many steps have in common: a directory of their own, and an end in order when interrupted. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InvalidArgumentError } from "commander";
import { parseDuration } from "../api/texts.ts";

/** As a shell has it of a program that SIGINT ended. */
const INTERRUPTED = 130;

/** Does something in a fresh directory, which is removed whatever happens; SIGINT and SIGTERM abort the signal. */
export async function interruptible(work: (directory: string, signal: AbortSignal) => Promise<void>): Promise<void> {
  const interrupt = new AbortController();
  const stop = () => interrupt.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, stop);
  const directory = await mkdtemp(join(tmpdir(), "thaw-bench-"));
  try {
    await work(directory, interrupt.signal);
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    console.error("interrupted");
    process.exitCode = INTERRUPTED;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The value of an option that is a duration. @throws InvalidArgumentError. */
export function milliseconds(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms <= 0) throw new InvalidArgumentError("expected a duration such as 20ms");
  return ms;
}
