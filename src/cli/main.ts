#!/usr/bin/env bun
/**
 * thaw, one program: `thaw daemon` is the daemon, everything else the command line. Loads the one command asked
 * for, prints failures in one form, and turns them into exit codes: 125 for thaw's own failures in `run` (126 and
 * 127 for a program that cannot be executed or is not there, as Docker has it), 1 for any other command's.
 * What is imported here at the top, and by dispatch.ts, is what every command needs, and no more: anything else costs
 * all of them milliseconds, and each import that waits for its turn costs those who need it half a one.
 */
import { asThawError, type ThawError } from "../common/errors.ts";
import { dispatch } from "./dispatch.ts";
import { print, printFailure } from "./print.ts";

const RUN_FAILURE = 125;

const PROGRAMS = { daemon: () => import("../daemon/main.ts"), bench: () => import("../bench/main.ts") };

async function main(argv: readonly string[]): Promise<void> {
  const [first = "--help", ...rest] = argv;
  if (first === "--help" || first === "-h") return print((await import("./help.ts")).overview());
  if (first === "--version" || first === "-v") return print((await import("../common/version.ts")).VERSION);
  await dispatch(first, rest, PROGRAMS);
}

function fail(error: ThawError, command: string | undefined): void {
  printFailure(error);
  // A RunFailure knows better; its class is not loaded here only to ask.
  const known = "exitCode" in error && typeof error.exitCode === "number" ? error.exitCode : undefined;
  process.exitCode = known ?? (command === "run" ? RUN_FAILURE : 1);
}

main(process.argv.slice(2)).catch((thrown: unknown) => fail(asThawError(thrown), process.argv[2]));
