/**
 * The proof that a CRIU works here. `criu check` alone is not enough: there are versions that pass it
 * and then cannot dump a listening TCP socket on a newer kernel. So a process that listens is really
 * started, dumped, restored and asked again, in namespaces of its own and with CRIU inside them, as
 * the engine does it. The namespaces' first process is a Perl script (Perl's base package is on every
 * Debian); when it ends, at the latest at its deadline, the kernel removes everything else.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { exec } from "../../common/exec.ts";
import { CRIU_ENVIRONMENT, type CriuProgram, FRESH_NAMESPACES, HOST_ENVIRONMENT, PLUGINS_NAME } from "./program.ts";
import script from "./selftest.pl" with { type: "text" };

/** The longest a self-test may take, in seconds; it takes about one. */
const DEADLINE_SECONDS = 40;

/**
 * Dumps and restores a small server with `program`.
 * @param kdat     a feature cache made by `makeKdat` for this program and kernel.
 * @param scratch  an existing directory for the images; they are removed again.
 * @returns undefined when it works, otherwise why not.
 */
export async function selfTest(program: CriuProgram, kdat: string, scratch: string): Promise<string | undefined> {
  const images = await mkdtemp(join(scratch, ".selftest-"));
  try {
    const result = await exec(commandLine(program, kdat, images), { env: { ...HOST_ENVIRONMENT } });
    if (result.exitCode === 0 && result.stdout === "passed\n") return undefined;
    const what = result.stderr.trim().split("\n").at(-1) || `exit code ${result.exitCode}`;
    const errors = [
      ...(await errorLines(join(images, "dump.log"))),
      ...(await errorLines(join(images, "restore.log"))),
    ];
    return [what, ...errors.slice(0, 2)].join("; ");
  } finally {
    await rm(images, { recursive: true, force: true });
  }
}

function commandLine(program: CriuProgram, kdat: string, images: string): string[] {
  const limit = ["timeout", "--signal=KILL", String(DEADLINE_SECONDS + 5)];
  const { libraryDir, loaderName, binaryDir, binaryName } = program;
  const parameters = [
    libraryDir,
    loaderName,
    binaryDir,
    binaryName,
    PLUGINS_NAME,
    images,
    kdat,
    String(DEADLINE_SECONDS),
    CRIU_ENVIRONMENT.PATH ?? "",
  ];
  return [...limit, ...FRESH_NAMESPACES, "perl", "-e", script, ...parameters];
}

/**
 * The error lines of a CRIU log, without their time stamps; none when there is no log. That the limit of open files
 * cannot be raised (no CAP_SYS_RESOURCE) is in every log and never the cause.
 */
async function errorLines(log: string): Promise<string[]> {
  const text = await Bun.file(log)
    .text()
    .catch(() => "");
  return text
    .split("\n")
    .filter((line) => line.includes("Error (") && !line.includes("RLIMIT_NOFILE"))
    .map((line) => line.replace(/^\([0-9.]+\)\s*(\d+:\s*)?/, ""));
}
