/** The processes of a container, as the host's /proc tells of them. */
import { readFile } from "node:fs/promises";

/** Times are seconds. */
export interface ContainerProcess {
  readonly pid: number;
  readonly parent: number;
  /** The host's number of its user. */
  readonly uid: number;
  readonly command: string;
  /** CPU time used. */
  readonly time: number;
  /** Since the machine's start. */
  readonly startedAt: number;
  readonly tty: string;
}

const TICKS = 100;
const INIT = "thaw-init";

/** Those of `pids` that are still there. */
export async function readProcesses(pids: readonly number[]): Promise<ContainerProcess[]> {
  const all = await Promise.all(pids.map(readProcess));
  return all.flatMap((process) => (process ? [process] : []));
}

async function readProcess(pid: number): Promise<ContainerProcess | undefined> {
  try {
    const [stat, status, line] = await Promise.all(
      ["stat", "status", "cmdline"].map((file) => readFile(`/proc/${pid}/${file}`, "utf8")),
    );
    // The name in brackets may hold anything; after the last bracket there are only numbers.
    const name = stat?.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")")) ?? "";
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ") ?? [];
    const number = (index: number) => Number(fields[index] ?? 0);
    return {
      pid,
      parent: number(1),
      uid: Number(/^Uid:\t(\d+)/m.exec(status ?? "")?.[1] ?? 0),
      // The sandbox's init is a copy of the launcher, whose arguments it still has.
      command: name === INIT ? INIT : line?.split("\0").join(" ").trim() || `[${name}]`,
      time: (number(11) + number(12)) / TICKS,
      startedAt: number(19) / TICKS,
      tty: ttyName(number(4)),
    };
  } catch {
    return undefined;
  }
}

/** By the device number: 136 to 143 are pseudo terminals. */
function ttyName(device: number): string {
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  return major >= 136 && major <= 143 ? `pts/${(major - 136) * 256 + minor}` : "?";
}
