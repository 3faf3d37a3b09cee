/**
 * CRIU's kernel feature cache. CRIU probes the kernel for some tens of milliseconds at every start
 * unless it finds /run/criu.kdat, which it writes only where /run is a tmpfs. thaw has it written
 * once a boot, in a mount namespace with such a /run, and puts the file into the sandboxes.
 */
import { exec } from "../../common/exec.ts";
import { writeFileAtomically } from "./files.ts";
import { CRIU_ENVIRONMENT, type CriuProgram, criuGuards, FRESH_NAMESPACES, HOST_ENVIRONMENT } from "./program.ts";

/** The longest that `criu check` may take, in seconds; it needs well under one. */
const DEADLINE_SECONDS = 30;

/** Brings the loopback device up: CRIU's probe of TCP repair connects to itself. */
const LOOPBACK_UP = `$r = pack("a16 s x22", "lo", 0x41); socket(S, 2, 1, 0) && ioctl(S, 0x8914, $r) or die "lo: $!"`;

/** $1 library directory, $2 loader, $3 program directory, $4 program, then CRIU's arguments. */
const SCRIPT = `
exec 5<"$1" 7<"$3"
loader=$2 program=$4
shift 4
mount -t tmpfs -o mode=0700 tmpfs /run || exit 90
perl -e '${LOOPBACK_UP}' || exit 93
PATH=${CRIU_ENVIRONMENT.PATH} /proc/self/fd/5/"$loader" --library-path /proc/self/fd/5 /proc/self/fd/7/"$program" "$@" >&2 || exit 91
base64 /run/criu.kdat || exit 92
`;

/**
 * Runs `criu check` and stores the feature cache that it leaves as `file`, mode 0600.
 * @returns undefined, or why this CRIU does not work on this kernel.
 */
export async function makeKdat(program: CriuProgram, file: string): Promise<string | undefined> {
  const { libraryDir, loaderName, binaryDir, binaryName } = program;
  const result = await exec(
    [
      "timeout",
      "--signal=KILL",
      String(DEADLINE_SECONDS),
      ...FRESH_NAMESPACES,
      "sh",
      "-c",
      SCRIPT,
      "criu-check",
    ].concat([libraryDir, loaderName, binaryDir, binaryName, "check"], criuGuards("/proc/self/fd/7")),
    { env: { ...HOST_ENVIRONMENT } },
  );
  if (result.exitCode !== 0) return `criu check failed: ${lastLines(result.stderr) || `exit code ${result.exitCode}`}`;
  await writeFileAtomically(file, Buffer.from(result.stdout, "base64"));
  return undefined;
}

function lastLines(text: string): string {
  return text.trim().split("\n").slice(-2).join("; ");
}
