/** What processes hold, as the kernel counts it. All sizes in bytes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

export interface Holding {
  readonly rss: number;
  /** Its own pages and its share of those of others. */
  readonly pss: number;
  /** Pages that nobody else has: what it would give back by ending. */
  readonly private: number;
  readonly pageTables: number;
}

const KB = 1024;

/** Undefined when it has ended. */
export function holdingOf(pid: number): Holding | undefined {
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return {
      rss: bytes(rollup, "Rss"),
      pss: bytes(rollup, "Pss"),
      private: bytes(rollup, "Private_Clean") + bytes(rollup, "Private_Dirty"),
      pageTables: bytes(status, "VmPTE"),
    };
  } catch {
    return undefined;
  }
}

/** What a container's cgroup is charged for: its pages, page tables and other memory of the kernel. */
export function chargedTo(leaves: readonly string[]): number {
  const files = leaves.flatMap((leaf) => [join(leaf, "memory.usage_in_bytes"), join(leaf, "memory.current")]);
  for (const file of files) {
    try {
      return Number(readFileSync(file, "utf8"));
    } catch {
      // Another hierarchy's leaf.
    }
  }
  return 0;
}

/** What the machine could give to new processes without swapping. */
export function availableBytes(): number {
  return bytes(readFileSync("/proc/meminfo", "utf8"), "MemAvailable");
}

function bytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * KB;
}
