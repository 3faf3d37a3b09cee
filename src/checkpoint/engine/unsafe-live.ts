/**
 * What a process has that CRIU dumps wrong without a trace in the images, so that it has to be looked for while the
 * process stands still: an eventfd that is a semaphore comes back as a plain counter.
 */
import { readdir, readFile, readlink } from "node:fs/promises";

/** The kernel shows this of an eventfd since Linux 6.5; with an older one it cannot be known. */
const SEMAPHORE = /^eventfd-semaphore:\s*1$/m;

/**
 * Reasons why a checkpoint of the process `pid` (the host's) would not come back as it was, each with the descriptor.
 * A process that is gone has none.
 */
export async function unsafeLive(pid: number): Promise<string[]> {
  const fds = (await readdir(`/proc/${pid}/fd`).catch(() => [])).map(Number).sort((a, b) => a - b);
  const found: string[] = [];
  for (const fd of fds) {
    const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => "");
    if (target !== "anon_inode:[eventfd]") continue;
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, "utf8").catch(() => "");
    if (SEMAPHORE.test(info)) found.push(`fd ${fd}: an eventfd that is a semaphore (EFD_SEMAPHORE), which CRIU loses`);
  }
  return found;
}
