/**
 * A dumped process as thaw's own restore engine understands it: what `understand` makes of CRIU's images, and what
 * `emit` turns into the flat tables that the restorer (native/restorer) executes. Everything in it has a meaning here;
 * an image that says anything else is refused before there is one of these. Addresses and sizes are bytes, times
 * nanoseconds, signal sets 64-bit masks with signal n at bit n - 1.
 */

import type { Descriptor, FileLock, FileOwner, OpenFile } from "./process-files.ts";

export type { Descriptor, FileLock, FileOwner, OpenFile, SocketOption } from "./process-files.ts";

/** A dumped process: one thread group. */
export interface ProcessImage {
  /** Pids as seen in the container's own pid namespace. */
  readonly pid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly mm: MemoryMap;
  /** In ascending order, not overlapping. */
  readonly vmas: readonly Vma[];
  /** In ascending order, not overlapping, each within one VMA. Pages that are missing read as zero or as the file's. */
  readonly pages: readonly PageRun[];
  /** Absolute path in the container's root. */
  readonly cwd: string;
  readonly umask: number;
  /** Open file descriptions, in the order in which they can be made (a socket before the epoll set that watches it). */
  readonly files: readonly OpenFile[];
  /** Which descriptor refers to which of `files`. */
  readonly descriptors: readonly Descriptor[];
  /** The leader first. */
  readonly threads: readonly Thread[];
  readonly credentials: Credentials;
  /** The actions that are not the default. */
  readonly signals: readonly SignalAction[];
  readonly limits: readonly ResourceLimit[];
  /** ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF: those that are armed. */
  readonly itimers: readonly { which: 0 | 1 | 2; interval: bigint; value: bigint }[];
  /** Of timer_create(2), by ascending id. */
  readonly timers: readonly PosixTimer[];
  /** Locks on files of `descriptors`, which are this process's. */
  readonly locks: readonly FileLock[];
  readonly owners: readonly FileOwner[];
  /** MEMBARRIER_CMD_REGISTER_* commands to repeat, as a mask. */
  readonly membarrier: number;
  /** Classic BPF programs (8 bytes an instruction), the oldest first; empty: no filter. */
  readonly seccomp: readonly { readonly program: Uint8Array; readonly flags: number }[];
  readonly oomScoreAdj: number;
  readonly thpDisabled: boolean;
  readonly childSubreaper: boolean;
}

/** As prctl(PR_SET_MM_MAP) takes it. */
export interface MemoryMap {
  readonly startCode: bigint;
  readonly endCode: bigint;
  readonly startData: bigint;
  readonly endData: bigint;
  readonly startStack: bigint;
  readonly startBrk: bigint;
  readonly brk: bigint;
  readonly argStart: bigint;
  readonly argEnd: bigint;
  readonly envStart: bigint;
  readonly envEnd: bigint;
  readonly auxv: readonly bigint[];
  /** Absolute path of the program in the container's root. */
  readonly exe: string;
  /** As of PR_SET_DUMPABLE: 0 or 1. */
  readonly dumpable: number;
}

export interface Vma {
  readonly start: bigint;
  readonly end: bigint;
  /** PROT_*. */
  readonly prot: number;
  readonly kind:
    | { readonly is: "anonymous"; readonly growsDown: boolean }
    /** MAP_DROPPABLE: the kernel may take its pages, and every fork begins with none. */
    | { readonly is: "droppable" }
    /** A private mapping of a file: pages that were written are in `pages`. `path` as in the container's root. */
    | { readonly is: "file"; readonly path: string; readonly offset: bigint; readonly size: bigint }
    /** A shared mapping of a file; `writable` as it was opened. */
    | {
        readonly is: "shared-file";
        readonly path: string;
        readonly offset: bigint;
        readonly size: bigint;
        readonly writable: boolean;
      }
    /** The kernel's: nothing of it is restored but its place. */
    | { readonly is: "vvar" | "vdso" };
  /** MADV_* that are in force (MADV_DONTFORK, MADV_DONTDUMP, MADV_HUGEPAGE, ...), in the order to be given. */
  readonly advice: readonly number[];
  /** MAP_NORESERVE. */
  readonly noReserve: boolean;
}

/** `pages` pages of 4096 bytes at `start`, which stand one after another in a pages file of the images. */
export interface PageRun {
  readonly start: bigint;
  readonly pages: number;
  /** Name in the images' directory, "pages-1.img". */
  readonly file: string;
  /** Byte offset in it. */
  readonly offset: number;
}

export interface Thread {
  readonly tid: number;
  /** At most 15 bytes. */
  readonly name: string;
  readonly registers: Registers;
  /** The FPU's state as XSAVE writes it without compaction, beginning with the 512 bytes of FXSAVE. */
  readonly xsave: Uint8Array;
  /** What is valid in `xsave`, as XSTATE_BV. */
  readonly xfeatures: bigint;
  /** Blocked signals. */
  readonly mask: bigint;
  readonly altStack: { readonly address: bigint; readonly size: bigint; readonly flags: number } | undefined;
  readonly clearChildTid: bigint;
  readonly robustList: { readonly address: bigint; readonly length: bigint } | undefined;
  readonly rseq: { readonly address: bigint; readonly length: number; readonly signature: number } | undefined;
  readonly schedule: { readonly policy: number; readonly priority: number; readonly nice: number };
  readonly parentDeathSignal: number;
}

/** User registers; `origAx` is -1 outside of a system call. */
export interface Registers {
  readonly r15: bigint;
  readonly r14: bigint;
  readonly r13: bigint;
  readonly r12: bigint;
  readonly bp: bigint;
  readonly bx: bigint;
  readonly r11: bigint;
  readonly r10: bigint;
  readonly r9: bigint;
  readonly r8: bigint;
  readonly ax: bigint;
  readonly cx: bigint;
  readonly dx: bigint;
  readonly si: bigint;
  readonly di: bigint;
  readonly ip: bigint;
  readonly flags: bigint;
  readonly sp: bigint;
  readonly cs: number;
  readonly ss: number;
  readonly fsBase: bigint;
  readonly gsBase: bigint;
}

/** The same for all threads. Capabilities are masks. */
export interface Credentials {
  readonly uid: number;
  readonly euid: number;
  readonly suid: number;
  readonly fsuid: number;
  readonly gid: number;
  readonly egid: number;
  readonly sgid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  readonly bounding: bigint;
  readonly ambient: bigint;
  readonly securebits: number;
  readonly noNewPrivs: boolean;
}

/** A timer of timer_create(2). */
export interface PosixTimer {
  readonly id: number;
  readonly clock: number;
  /** SIGEV_*. */
  readonly notify: number;
  readonly signal: number;
  /** Whom SIGEV_THREAD_ID tells; else 0. */
  readonly thread: number;
  /** What comes with the signal. */
  readonly data: bigint;
  readonly interval: bigint;
  /** What remained; 0: not armed. */
  readonly value: bigint;
}

export interface SignalAction {
  readonly signal: number;
  readonly handler: bigint;
  readonly flags: bigint;
  readonly restorer: bigint;
  readonly mask: bigint;
}

export interface ResourceLimit {
  /** RLIMIT_*. */
  readonly resource: number;
  /** 2^64 - 1: unlimited. */
  readonly soft: bigint;
  readonly hard: bigint;
}
