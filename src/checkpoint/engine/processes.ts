/**
 * What procfs says about the processes of a container that is to be dumped: where its streams lead, whether all of
 * it hangs below its main process. Read by the daemon, from outside of the container.
 */
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { errnoOf, ThawError } from "../../common/errors.ts";

/** A process of a container. */
interface Process {
  /** The host's pid of it and of its parent. */
  readonly pid: number;
  readonly parent: number;
  /** Its pid inside the container. */
  readonly pidInside: number;
  readonly name: string;
}

export interface ContainerProcesses {
  /** Main's pid inside the container. */
  readonly mainInside: number;
  /** Host pids of main and all below it. */
  readonly tree: readonly number[];
  /** Processes that are neither main, nor below it, nor the container's init: "name (pid)". */
  readonly strays: readonly string[];
  /** Host pids of them. */
  readonly strayPids: readonly number[];
}

/** A line of /proc/PID/maps. */
const SHARED_WRITABLE = /^\S+ .w.s \S+ \S+ \d+ +(\/.*)$/gm;

/** The pipes that the standard streams are, in the order stdin, stdout, stderr; null where one is something else. */
export type StdioPipes = [string | null, string | null, string | null];

/**
 * All processes in the pid namespace of `main` (a host pid).
 * @throws ThawError WRONG_STATE when main is gone.
 */
export async function containerProcesses(main: number): Promise<ContainerProcesses> {
  const namespace = await pidNamespace(main);
  const own = namespace === undefined ? undefined : await readProcess(main);
  if (own === undefined) throw new ThawError("WRONG_STATE", `the process ${main} has ended`);
  const all = (await Promise.all((await pids()).map((pid) => inNamespace(pid, namespace)))).filter(
    (p) => p !== undefined,
  );
  const tree = below(main, all);
  const strays = all.filter((process) => !tree.has(process.pid) && process.pidInside !== 1);
  return {
    mainInside: own.pidInside,
    tree: [...tree],
    strays: strays.map((p) => `${p.name} (${p.pidInside})`),
    strayPids: strays.map((p) => p.pid),
  };
}

/** Where the three standard streams of a process lead. */
export async function stdioPipes(pid: number): Promise<StdioPipes> {
  const pipe = async (fd: number) => {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    return /^pipe:\[\d+\]$/.test(target) ? target : null;
  };
  return [await pipe(0), await pipe(1), await pipe(2)];
}

/** The container's own terminal is the first of its devpts. */
const TERMINAL = "/dev/pts/0";

/** The terminal that some of the processes (host pids) have open, as CRIU names it; undefined when none has. */
export async function terminalOf(processes: readonly number[]): Promise<string | undefined> {
  for (const pid of processes) {
    for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
      const path = `/proc/${pid}/fd/${fd}`;
      if ((await readlink(path).catch(() => "")) !== TERMINAL) continue;
      const { rdev, dev } = await stat(path, { bigint: true });
      return `tty[${rdev.toString(16)}:${dev.toString(16)}]`;
    }
  }
  return undefined;
}

/** Files that the processes may write through a shared mapping, as paths in the container. */
export async function sharedWritable(pids: readonly number[]): Promise<Set<string>> {
  const texts = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/maps`, "utf8").catch(() => "")));
  const paths = texts.flatMap((text) => [...text.matchAll(SHARED_WRITABLE)].map((match) => match[1] ?? ""));
  return new Set(paths);
}

/** Lets stopped processes go on; those that are gone do not matter. */
export function resume(processes: readonly number[]): void {
  for (const pid of processes) {
    try {
      process.kill(pid, "SIGCONT");
    } catch (error) {
      if (errnoOf(error) !== "ESRCH") throw error;
    }
  }
}

function below(main: number, all: readonly Process[]): Set<number> {
  const tree = new Set([main]);
  for (let size = 0; size !== tree.size; ) {
    size = tree.size;
    for (const process of all) if (tree.has(process.parent)) tree.add(process.pid);
  }
  return tree;
}

async function pids(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

function pidNamespace(pid: number): Promise<string | undefined> {
  return readlink(`/proc/${pid}/ns/pid`).catch(() => undefined);
}

async function inNamespace(pid: number, namespace: string | undefined): Promise<Process | undefined> {
  return (await pidNamespace(pid)) === namespace ? readProcess(pid) : undefined;
}

async function readProcess(pid: number): Promise<Process | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => undefined);
  if (status === undefined) return undefined;
  const field = (name: string) => new RegExp(`^${name}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
  const pidInside = Number(field("NSpid").split(/\s+/).at(-1));
  return { pid, parent: Number(field("PPid")), pidInside, name: field("Name") };
}
