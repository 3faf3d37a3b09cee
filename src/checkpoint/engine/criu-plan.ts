/**
 * CRIU as plans. It always runs inside the namespaces of a prepared sandbox, so that it records no namespace of
 * its own and recreates none. Its program, libraries and images reach it as descriptors 5 to 8, opened outside:
 * nothing of it is visible in the container's root. A dumping one loads a library (13) before anything else, with which it
 * can dump what belongs to other users. Descriptors 10 to 12 are the container's streams, which take
 * the place of the pipes, or of the terminal, that its streams were when the process was dumped.
 */
import { dirname } from "node:path";
import { type ChildOp, type Op, Phase, Role, Wait } from "../../launcher/generated/protocol.ts";
import { CRIU_ENVIRONMENT, type CriuProgram, criuGuards } from "../criu/program.ts";

/** O_RDONLY|O_DIRECTORY on x86-64 Linux. */
const OPEN_DIRECTORY = 0o200000;

/** Where the descriptors that CRIU is given stand. */
const FD = { library: 5, images: 6, binary: 7, work: 8, go: 9, stdin: 10, stdout: 11, stderr: 12, limits: 13 } as const;

/** CRIU's own processes take pids from here on, out of the way of those it restores. */
export const FIRST_PID_OF_CRIU = 20_000;

/** Given to every dump and restore: nothing of the host's cgroups or firewall is touched; locks on files are taken again. */
const COMMON = ["--manage-cgroups=ignore", "--network-lock", "skip", "--ext-unix-sk", "--file-locks"];

/** What becomes of established TCP connections; those that are kept have both ends in the checkpoint. */
export type Connections = "close" | "keep";

/** Connections that nobody has accepted are no reason to refuse a dump: their clients connect again. */
const IN_FLIGHT = ["--skip-in-flight"];

/** Other engines make the root and the directories that mounts are on with other modes than thaw. */
const OTHER_ROOT = ["--skip-file-rwx-check"];

/** The standard streams that were pipes to the launcher, as readlink(2) of the descriptor shows them ("pipe:[7]"). */
export interface StreamPipes {
  readonly stdin: string | undefined;
  readonly stdout: string | undefined;
  readonly stderr: string | undefined;
}

export interface CriuRun {
  readonly program: CriuProgram;
  /** Absolute directory of the image files. */
  readonly imagesDir: string;
  /** Absolute file that takes what CRIU prints. */
  readonly outputFile: string;
  /** 0 (nothing) to 4 (everything). */
  readonly verbosity: number;
  readonly connections: Connections;
  /** The container's terminal as CRIU names it, "tty[8800:1c]". */
  readonly terminal: string | undefined;
}

export interface CriuDump extends CriuRun {
  /** Pid of the container's main process inside its pid namespace. */
  readonly pidInside: number;
  /** The host's pids of all that is dumped. */
  readonly tree: readonly number[];
}

export interface CriuRestore extends CriuRun {
  /** Operations that make a fresh sandbox, among them the holder's `ready`. */
  readonly sandbox: readonly Op[];
  readonly pidInside: number;
  readonly pipes: StreamPipes;
  /** The main process is pid 1 of a pid namespace that CRIU makes within the sandbox's. */
  readonly ownPids?: boolean | undefined;
  /** CRIU is started and waits until the launcher says that it is wanted. */
  readonly ahead: boolean;
}

/**
 * Dumps the main process and its children, and leaves them stopped: whether they end or go on is decided when
 * the checkpoint is complete. To be run in the sandbox of the container.
 */
export function dumpPlan(dump: CriuDump): Op[] {
  const external = dump.terminal === undefined ? [] : ["--external", dump.terminal];
  const args = [
    "dump",
    "-t",
    String(dump.pidInside),
    "--leave-stopped",
    ...IN_FLIGHT,
    ...external,
    ...commonArgs(dump),
  ];
  return [
    { kind: "spawn", role: Role.helper, wait: Wait.success, namespaces: 0n, join: 1 },
    ...opens(dump),
    { kind: "limits_library", fd: FD.limits },
    { kind: "join" },
    { kind: "session" },
    execOp(dump, [...args, "-o", "dump.log"], ["--preload", at(FD.limits)]),
    ...(dump.connections === "keep" ? connectionsGoOn(dump.tree) : []),
  ];
}

/** Also when the processes are to end: they may yet have to go on, when their checkpoint cannot be written. */
function connectionsGoOn(tree: readonly number[]): Op[] {
  return [
    { kind: "spawn", role: Role.helper, wait: Wait.success, namespaces: 0n, join: 0 },
    { kind: "repair_end", pids: tree.map(String) },
    { kind: "exit", status: 0 },
  ];
}

/** Makes a sandbox and restores the dumped processes into it as children of the launcher. */
export function restorePlan(restore: CriuRestore): Op[] {
  const begin = ["restore", "-d", "--restore-sibling", "-W", at(FD.work), ...commonArgs(restore)];
  const args = [...begin, ...(restore.ownPids ? OTHER_ROOT : []), ...inherited(restore)];
  return [
    ...withFirstPid(restore.sandbox, FIRST_PID_OF_CRIU),
    { kind: "spawn", role: Role.helper, wait: Wait.success, namespaces: 0n, join: 1 },
    { kind: "cgroup_join" },
    ...opens(restore),
    // CRIU writes statistics of each restore, which must not go to the images that many restores share.
    { kind: "open_at", path: dirname(restore.outputFile), fd: FD.work, flags: OPEN_DIRECTORY },
    { kind: "join" },
    { kind: "session" },
    { kind: "stdio_at", stdin: FD.stdin, stdout: FD.stdout, stderr: FD.stderr },
    { kind: "mark", phase: Phase.engine },
    ...(restore.ahead ? [{ kind: "await_go", fd: FD.go } as const] : []),
    // A file of options: CRIU reads it when it has been loaded, and goes on when it comes to its end.
    execOp(restore, restore.ahead ? [...args, "--config", at(FD.go)] : args),
    { kind: "adopt", pidInside: restore.pidInside },
  ];
}

function opens(run: CriuRun): ChildOp[] {
  return [
    { kind: "open_at", path: run.program.libraryDir, fd: FD.library, flags: OPEN_DIRECTORY },
    { kind: "open_at", path: run.imagesDir, fd: FD.images, flags: OPEN_DIRECTORY },
    { kind: "open_at", path: run.program.binaryDir, fd: FD.binary, flags: OPEN_DIRECTORY },
    { kind: "output_to", path: run.outputFile },
  ];
}

/** The loader is exec'd, not the program: the container's root has neither CRIU's libraries nor their loader. */
function execOp(run: CriuRun, args: readonly string[], ofLoader: readonly string[] = []): ChildOp {
  const { loaderName, binaryName } = run.program;
  const path = `${at(FD.library)}/${loaderName}`;
  const start = [path, "--library-path", at(FD.library), ...ofLoader, `${at(FD.binary)}/${binaryName}`];
  const common = [...criuGuards(at(FD.binary)), "-D", at(FD.images), `-v${run.verbosity}`];
  return {
    kind: "exec",
    path,
    argv: [...start, ...args, ...common],
    env: Object.entries(CRIU_ENVIRONMENT).map(([name, value]) => `${name}=${value}`),
  };
}

/** How CRIU finds what was opened for it. */
function at(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

function commonArgs({ connections }: CriuRun): string[] {
  return [...COMMON, connections === "keep" ? "--tcp-established" : "--tcp-close"];
}

function inherited({ pipes, terminal }: CriuRestore): string[] {
  if (terminal !== undefined) return ["--inherit-fd", `fd[${FD.stdin}]:${terminal}`];
  const args: string[] = [];
  const seen = new Set<string>();
  for (const stream of ["stdin", "stdout", "stderr"] as const) {
    const pipe = pipes[stream];
    // One pipe behind two streams ("2>&1") is inherited once: CRIU gives it to both.
    if (pipe === undefined || seen.has(pipe)) continue;
    seen.add(pipe);
    args.push("--inherit-fd", `fd[${FD[stream]}]:${pipe}`);
  }
  return args;
}

/** Lets the holder set the next pid just before it reports that the sandbox is ready. */
function withFirstPid(sandbox: readonly Op[], pid: number): Op[] {
  const ready = sandbox.findIndex((op) => op.kind === "ready");
  if (ready < 0) throw new Error("a sandbox plan without `ready` cannot be restored into");
  return [...sandbox.slice(0, ready), { kind: "last_pid", pid }, ...sandbox.slice(ready)];
}
