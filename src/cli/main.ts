#!/usr/bin/env bun
/**
 * thaw, one program: `thaw daemon` is the daemon, everything else the command line. Loads the one command asked
 * for, prints failures in one form, and turns them into exit codes: 125 for thaw's own failures in `run` (126 and
 * 127 for a program that cannot be executed or is not there, as Docker has it), 1 for any other command's.
 */
import type { ThawError } from "../common/errors.ts";

const RUN_FAILURE = 125;

async function main(argv: readonly string[]): Promise<void> {
  const [first = "--help", ...rest] = argv;
  if (first === "--help" || first === "-h")
    return (await import("./print.ts")).print((await import("./help.ts")).overview());
  if (first === "--version" || first === "-v")
    return (await import("./print.ts")).print((await import("../common/version.ts")).VERSION);
  if (first === "ps" && (await import("./quick-ps.ts")).isQuick(rest))
    return (await import("./quick-ps.ts")).quickPs(rest);
  await (await import("./dispatch.ts")).dispatch(first, rest);
}

async function fail(error: ThawError, command: string | undefined): Promise<void> {
  const { printFailure } = await import("./print.ts");
  printFailure(error);
  // A RunFailure knows better; its class is not loaded here only to ask.
  const known = "exitCode" in error && typeof error.exitCode === "number" ? error.exitCode : undefined;
  process.exitCode = known ?? (command === "run" ? RUN_FAILURE : 1);
}

main(process.argv.slice(2)).catch(async (thrown: unknown) => {
  const { asThawError } = await import("../common/errors.ts");
  await fail(asThawError(thrown), process.argv[2]);
});
