/**
 * Whether the processes in an archive are confined as its container would be here. A container's words alone do not say
 * it: the images carry each process's capabilities and filters, and an engine restores what they say.
 */
import { type Images, type ReadImages, readImages } from "../images/index.ts";

/** What a container of this machine would have. */
export interface Confinement {
  /** Its bounding set. */
  readonly capabilities: bigint;
  readonly noNewPrivs: boolean;
  /** The filter that is installed before its program runs; undefined: none. */
  readonly filter: Uint8Array | undefined;
}

const MODE_FILTER = 2;
const TSYNC = 1;
/** What must be understood for a judgement. */
const NEEDED = /^(core-|seccomp|pstree|inventory)/;

/** In words, what the processes in a directory of images may do beyond `allowed`; empty: nothing. */
export async function excessOf(imagesDir: string, allowed: Confinement): Promise<string[]> {
  return excessiveRights(await readImages(imagesDir), allowed);
}

/** The same of images that are decoded. */
export function excessiveRights({ images, problems }: ReadImages, allowed: Confinement): string[] {
  const found = new Set(problems.filter((problem) => NEEDED.test(problem)));
  const leaders = new Set(images.pstree.map(({ pid }) => pid));
  for (const [tid, { thread }] of images.core) {
    const credentials = thread?.credentials;
    if (thread === undefined || credentials === undefined) {
      found.add(`a thread (${tid}) whose rights are not said`);
      continue;
    }
    const { effective, permitted, inheritable, bounding, ambient } = credentials;
    const all = [effective, permitted, inheritable, bounding, ambient].reduce(
      (mask, words) => mask | maskOf(words),
      0n,
    );
    if (all & ~allowed.capabilities) found.add("capabilities that the container has not");
    if (allowed.noNewPrivs && !credentials.noNewPrivs) found.add("to gain rights by programs (no no_new_privs)");
    if (allowed.filter === undefined) continue;
    const mode = thread.seccompMode ?? 0;
    const isFiltered = mode === MODE_FILTER && hasFilter(images, thread.seccompFilter, allowed.filter);
    // Of threads with the same filters as their leader only that says so.
    if (!isFiltered && (leaders.has(tid) || mode !== 0 || !isShared(images))) {
      found.add("to make system calls that this machine's filter for the container does not let pass");
    }
  }
  return [...found];
}

function maskOf(words: readonly number[]): bigint {
  return words.reduce((mask, word, index) => mask | (BigInt(word >>> 0) << BigInt(32 * index)), 0n);
}

/** A thread's index is that of its oldest filter. */
function hasFilter(images: Images, index: number | undefined, wanted: Uint8Array): boolean {
  const oldest = index === undefined ? undefined : images.seccomp[0]?.filters[index];
  return oldest !== undefined && Buffer.compare(oldest.program, wanted) === 0;
}

function isShared(images: Images): boolean {
  const filters = images.seccomp[0]?.filters ?? [];
  return filters.length > 0 && filters.every(({ flags = 0 }) => flags & TSYNC);
}
