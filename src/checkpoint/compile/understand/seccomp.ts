/**
 * System call filters. CRIU writes a process's chain of filters once, at its main thread: where all threads have the
 * same, it marks the filters (TSYNC) and says of the others that they had none. Taken literally those would run free.
 */
import type { Images } from "../../images/index.ts";
import type { ProcessImage } from "../process.ts";
import { hex, type Reasons } from "./context.ts";
import type { ThreadImage } from "./threads.ts";

const MODE_FILTER = 2;
const FLAG = { tsync: 1, log: 2, specAllow: 4 } as const;
const INSTRUCTION_BYTES = 8;
const MAX_INSTRUCTIONS = 4096;

/** The filters of all threads, the oldest first; `flags` without TSYNC. */
export function seccompOf(images: Images, threads: readonly ThreadImage[], reasons: Reasons): ProcessImage["seccomp"] {
  const [leader, ...others] = threads;
  if (leader === undefined) return [];
  const mode = leader.thread.seccompMode ?? 0;
  if (mode !== 0 && mode !== MODE_FILTER) reasons.refuse(`strict seccomp (mode ${mode})`);
  const chain = mode === MODE_FILTER ? chainOf(images, leader.thread.seccompFilter, reasons) : [];
  const shared = chain.every(({ flags }) => flags & FLAG.tsync);
  for (const { tid, thread } of others) {
    if ((thread.seccompMode ?? 0) !== 0 || !shared) {
      reasons.refuse(`thread ${tid}: other system call filters than the main thread`);
    }
  }
  return chain.map(({ program, flags }) => ({ program, flags: flags & ~FLAG.tsync }));
}

function chainOf(images: Images, last: number | undefined, reasons: Reasons): { program: Uint8Array; flags: number }[] {
  const filters = images.seccomp[0]?.filters ?? [];
  const chain: { program: Uint8Array; flags: number }[] = [];
  for (let index = last; index !== undefined; ) {
    const filter = filters[index];
    if (filter === undefined || chain.length >= filters.length) {
      reasons.refuse(
        `seccomp.img: expected a chain of at most ${filters.length} filters, got one that leads to ${index}`,
      );
      return [];
    }
    const { program, flags = 0 } = filter;
    if (
      program.length === 0 ||
      program.length % INSTRUCTION_BYTES ||
      program.length > MAX_INSTRUCTIONS * INSTRUCTION_BYTES
    ) {
      reasons.refuse(`seccomp.img: a filter of ${program.length} bytes`);
    }
    if (flags & ~(FLAG.tsync | FLAG.log | FLAG.specAllow)) reasons.refuse(`seccomp.img: unknown flags ${hex(flags)}`);
    chain.push({ program, flags });
    index = filter.previous;
  }
  return chain;
}
