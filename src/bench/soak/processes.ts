/** The processes of a daemon's containers, and what those of thaw itself hold. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Paths } from "../../common/paths.ts";

/** A process as /proc/PID/stat has it. */
export interface Process {
  readonly pid: number;
  readonly name: string;
  readonly state: string;
  readonly parent: number;
}

/** Names of launcher and keeper, and of what waits in the pool. */
const OWN = ["thaw-launcher", "thaw-keeper"];
const PARKED = "thaw-parked";

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // It ended meanwhile.
  }
}

function allProcesses(): Process[] {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.flatMap((pid) => {
    const match = /^\d+ \((.*)\) (\S) (\d+)/s.exec(readOrEmpty(`/proc/${pid}/stat`));
    return match ? [{ pid: Number(pid), name: match[1] ?? "", state: match[2] ?? "", parent: Number(match[3]) }] : [];
  });
}

/** Launcher and keeper of these directories and all processes below them, and those that are in a leaf. */
export function allOf({ launcherSocket }: Paths, leaves: readonly string[]): Process[] {
  const all = allProcesses();
  const children = Map.groupBy(all, ({ parent }) => parent);
  const below = ({ pid }: Process): Process[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child)]);
  const ours = all.filter(({ pid, name }) => {
    return OWN.includes(name) && readOrEmpty(`/proc/${pid}/cmdline`).split("\0").includes(launcherSocket);
  });
  const inLeaves = new Set(leaves.flatMap((leaf) => readOrEmpty(join(leaf, "cgroup.procs")).split("\n").map(Number)));
  const found = [...ours, ...ours.flatMap(below), ...all.filter(({ pid }) => inLeaves.has(pid))];
  return [...new Map(found.map((process) => [process.pid, process])).values()];
}

/** The same without what is thaw's own: the processes of containers. */
export function processTree(paths: Paths, leaves: readonly string[]): Process[] {
  return allOf(paths, leaves).filter(({ name }) => !OWN.includes(name) && name !== PARKED);
}

/** What a process holds. */
export interface Holdings {
  readonly rssBytes: number;
  /** Its own pages and its share of those of others. */
  readonly pssBytes: number;
  /** Pages that are of no file. */
  readonly anonymousBytes: number;
  readonly fds: number;
}

/** All 0 when it has ended. */
export function holdingsOf(pid: number): Holdings {
  const rollup = readOrEmpty(`/proc/${pid}/smaps_rollup`);
  const bytes = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(rollup)?.[1] ?? 0) * 1024;
  let fds = 0;
  try {
    fds = readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    // It ended meanwhile.
  }
  return { rssBytes: bytes("Rss"), pssBytes: bytes("Pss"), anonymousBytes: bytes("Anonymous"), fds };
}
