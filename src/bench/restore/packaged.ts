/**
 * CRIU as its packages bring it: its own commands on a process of the host, dumped and restored in two fresh sets of
 * namespaces, as the benchmark that this one follows did it. Its feature cache is what its commands make of it: none
 * where /run is on a disk. A directory of the benchmark's own is at /run, so that nothing of the host's is touched.
 */
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { locateCriu } from "../../checkpoint/criu/locate.ts";
import { startCommand } from "../../checkpoint/criu/program.ts";
import { ThawError } from "../../common/errors.ts";
import { exec } from "../../common/exec.ts";
import { thawPaths } from "../../common/paths.ts";
import { PROGRAMS, PYTHON_OPTIONS, type PythonRoot } from "../python/root.ts";

import { parseReport, type Sample } from "./sample.ts";

export interface PackagedOptions {
  readonly root: PythonRoot;
  /** A directory of the benchmark's own. */
  readonly directory: string;
  readonly megabytes: number;
  readonly signal: AbortSignal;
}

/** Namespaces that a lean container has. The network's is the host's, as there. */
const NAMESPACES = ["--mount", "--ipc", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"];
/** Pids of what is dumped begin here, where CRIU's own are not when it is restored. */
const FIRST_PID = 1000;
/** Looks for the gap in its time: see touch.py. */
const GAP_MS = 200;
const MS = 1000;
const NS_PER_MS = 1e6;

/** $1 work directory, $2 megabytes, $3 program, $4 Python and its options, then CRIU's command up to its options. */
const DUMP = `
set -e
work=$1 size=$2 program=$3 python=$4; shift 4
mount --bind "$work/run" /run
echo ${FIRST_PID} > /proc/sys/kernel/ns_last_pid
setsid $python "$program" "$size" "$work/result" < /dev/null > /dev/null 2>&1 &
pid=$!
until [ -e "$work/result.ready" ]; do sleep 0.02; done
from=$EPOCHREALTIME
"$@" dump -t $pid -D "$work/images" -o dump.log > /dev/null
echo $from $EPOCHREALTIME
`;

/** $1 work directory, then CRIU's command. */
const RESTORE = `
set -e
work=$1; shift
mount --bind "$work/run" /run
lean=$EPOCHREALTIME
"$@" restore -d -D "$work/images" -o restore.log > /dev/null
ended=$EPOCHREALTIME
until [ -e "$work/result" ]; do sleep 0.02; done
echo $lean $ended
`;

/** Dumps and restores once. @throws ThawError RESTORE_FAILED, DEPENDENCY_MISSING. */
export async function packagedSample(options: PackagedOptions): Promise<Sample> {
  const { root, directory, megabytes, signal } = options;
  const criu = await findCriu();
  const work = join(directory, "packaged");
  try {
    for (const name of ["run", "images"]) await mkdir(join(work, name), { recursive: true });
    const python = [root.python, ...PYTHON_OPTIONS].join(" ");
    const program = join(root.directory, PROGRAMS.touch);
    const arguments_ = [work, String(megabytes), program, python, ...criu];
    const [, from = 0, to = 0] = await inNamespaces(DUMP, arguments_, signal, work);
    await Bun.sleep(GAP_MS);
    const [asked = 0, lean = 0, ended = 0] = await inNamespaces(RESTORE, [work, ...criu], signal, work);
    const report = parseReport(await Bun.file(join(work, "result")).text());
    const ran = report.ran_at_ns / NS_PER_MS;
    return {
      dump: to - from,
      lean: lean - asked,
      restore: ran - lean,
      execution: report.execution_ms,
      warm: report.warm_ms,
      phases: new Map([
        ["sandbox", lean - asked],
        ["restored", ran - asked],
        ["criu_ended", ended - asked],
      ]),
    };
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** Runs a script as the first process of new namespaces; the time before that, then the times it printed, in ms. */
async function inNamespaces(script: string, argv: readonly string[], signal: AbortSignal, work: string) {
  const outer = `echo $EPOCHREALTIME; exec unshare ${NAMESPACES.join(" ")} bash -c "$@"`;
  // Nothing of the environment changes what a packaged CRIU does.
  const env = { PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C" };
  const result = await exec(["bash", "-c", outer, "bash", script, "bash", ...argv], { env, signal });
  signal.throwIfAborted();
  const times = result.stdout
    .trim()
    .split(/\s+/)
    .map((text) => Number(text) * MS);
  if (result.exitCode === 0 && times.length > 2) return times;
  throw new ThawError("RESTORE_FAILED", `criu failed: ${await lastError(work, result.stderr)}`);
}

async function lastError(work: string, stderr: string): Promise<string> {
  for (const name of ["restore.log", "dump.log"]) {
    const log = await Bun.file(join(work, "images", name))
      .text()
      .catch(() => "");
    const line = log.split("\n").findLast((text) => text.includes("Error"));
    if (line !== undefined) return line;
  }
  return stderr.trim().split("\n").at(-1) ?? "";
}

async function findCriu(): Promise<string[]> {
  const found = await locateCriu(thawPaths());
  if (found !== undefined) return startCommand(found);
  throw new ThawError("DEPENDENCY_MISSING", "no CRIU works on this machine", { hint: "Run `thaw setup`." });
}
