/**
 * From a dumped process as it is understood to the tables that the restorer executes. What the tables cannot express is
 * a reason to leave the process to CRIU; nothing is rounded or left out.
 */
import { DataPool } from "./data-pool.ts";
import { emitClaims } from "./emit-claims.ts";
import { emitFiles } from "./emit-files.ts";
import { emitAdvice, emitHuge, emitRuns, emitVmas, findHole, type Locate, vdsoAt } from "./emit-memory.ts";
import { emitThreads, scratchBytes } from "./emit-threads.ts";
import { filterAllows } from "./filter-allows.ts";
import { type HeaderFields, type PrefaultRecord, RESTORE_LIMITS, writeTables } from "./generated/tables.ts";
import type { Credentials, ProcessImage } from "./process.ts";
import { Refusal } from "./refusal.ts";

export interface EmitOptions {
  readonly locate: Locate;
  /** Pages that are used soon after a restore; see `record`. */
  /** Whether this machine gives huge pages to who asks for them, and to nobody else. */
  readonly huge?: boolean;
  readonly prefault?: readonly PrefaultRecord[];
}

/** Descriptors of the restorer stand at least here, out of the way of what it is sent. */
const LEAST_FREE_FD = 64;
const FREE_FDS = 32;

/** The content of `process.tables`. @throws Refusal. */
export function emitTables(process: ProcessImage, options: EmitOptions): Uint8Array {
  refuseOdd(process);
  const data = new DataPool();
  const runs = emitRuns(process.pages, options.locate);
  const vmas = emitVmas(process.vmas, runs, data);
  const scratch = scratchBytes(process.threads);
  const hole = findHole(process.vmas, BigInt(RESTORE_LIMITS.CODE_BYTES) + scratch + BigInt(RESTORE_LIMITS.FILE_BYTES));
  const threads = emitThreads(process.threads, hole + BigInt(RESTORE_LIMITS.CODE_BYTES), data);
  const files = emitFiles(process.files, process.descriptors, data);
  const filters = process.seccomp.map(({ program, flags }) => {
    return { program: data.bytes(program), instructions: program.length / 8, flags };
  });
  const header = headerOf(process, data, {
    hole,
    scratchBytes: scratch,
  });
  const tables = writeTables(
    {
      vmas,
      runs,
      huge: options.huge ? emitHuge(process.vmas, runs) : [],
      advice: emitAdvice(process.vmas),
      prefault: options.prefault ?? [],
      ...files,
      threads,
      signals: process.signals,
      rlimits: process.limits,
      itimers: process.itimers,
      timers: process.timers,
      ...emitClaims(process),
      filters,
      groups: process.credentials.groups.map((gid) => ({ gid })),
      auxv: process.mm.auxv.map((value) => ({ value })),
      data: data.finish(),
    },
    header,
  );
  if (tables.length > RESTORE_LIMITS.FILE_BYTES) throw new Refusal(`tables of ${tables.length} bytes`);
  return tables;
}

function headerOf(
  process: ProcessImage,
  data: DataPool,
  places: Pick<HeaderFields, "hole" | "scratchBytes">,
): HeaderFields {
  const { mm, credentials } = process;
  const { exe, auxv: _, ...addresses } = mm;
  const { groups: __, noNewPrivs, ...rights } = credentials;
  const highest = process.descriptors.reduce((most, { fd }) => Math.max(most, fd), 0) + process.files.length;
  return {
    ...places,
    ...addresses,
    ...rights,
    vdso: vdsoAt(process.vmas),
    pid: process.pid,
    pgid: process.pgid,
    sid: process.sid,
    umask: process.umask,
    cwd: data.text(process.cwd),
    exe: data.text(exe),
    noNewPrivs: noNewPrivs ? 1 : 0,
    membarrier: process.membarrier,
    thpDisabled: process.thpDisabled ? 1 : 0,
    subreaper: process.childSubreaper ? 1 : 0,
    firstFreeFd: Math.max(LEAST_FREE_FD, highest + FREE_FDS),
  };
}

interface NeededCall {
  readonly name: string;
  readonly nr: number;
  /** Where they are known. */
  readonly args?: readonly bigint[];
}

/** System calls that the restorer makes after the filters are installed. */
const AFTER_FILTERS: readonly NeededCall[] = [
  { name: "close", nr: 3 },
  { name: "munmap", nr: 11 },
  { name: "rt_sigreturn", nr: 15 },
  { name: "sendto", nr: 44 },
  { name: "prctl(PR_SET_DUMPABLE)", nr: 157, args: [4n] },
  { name: "futex(FUTEX_WAIT)", nr: 202, args: [0n, 128n] },
  { name: "futex(FUTEX_WAKE)", nr: 202, args: [0n, 129n] },
];
const CAPSET: NeededCall = { name: "capset", nr: 126 };
/** What installs the filter after this one. */
const SECCOMP: NeededCall = { name: "seccomp", nr: 317, args: [1n, 1n] };

function refuseOdd({ pid, sid, pgid, seccomp, credentials }: ProcessImage): void {
  if (sid !== pid || pgid !== pid)
    throw new Refusal(`session ${sid}, process group ${pgid}: expected both to be ${pid}`);
  for (const [index, { program }] of seccomp.entries()) {
    if (program.length === 0 || program.length % 8 !== 0)
      throw new Refusal(`seccomp: a filter of ${program.length} bytes`);
    const isLast = index === seccomp.length - 1;
    for (const { name, nr, args } of [...callsAfterFilters(credentials), ...(isLast ? [] : [SECCOMP])]) {
      if (!filterAllows(program, nr, args))
        throw new Refusal(`seccomp: the filter forbids ${name}, which a restore needs`);
    }
  }
}

function callsAfterFilters({ noNewPrivs }: Credentials): readonly NeededCall[] {
  return noNewPrivs ? AFTER_FILTERS : [...AFTER_FILTERS, CAPSET];
}
