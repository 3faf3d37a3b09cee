/** The address space as a whole: prctl(PR_SET_MM_MAP), the root and the working directory. */
import type { Images } from "../../images/index.ts";
import type { MmEntry } from "../../images/messages/memory.ts";
import type { MemoryMap } from "../process.ts";
import type { Reasons } from "./context.ts";
import { type FileTable, FORMAT, formatOf } from "./tables.ts";

/** Entries of an auxiliary vector: pairs, at most what the kernel keeps. */
const MAX_AUXV = 64;

/** What PR_SET_MM_MAP takes. */
export function memoryMap(mm: MmEntry, table: FileTable, reasons: Reasons): MemoryMap {
  for (const { id } of mm.aioRings) reasons.refuse(`asynchronous I/O: a context (io_setup) at 0x${id.toString(16)}`);
  if (mm.dumpable !== 0 && mm.dumpable !== 1) {
    reasons.refuse(`expected the process to be dumpable (1) or not (0), got ${mm.dumpable}`);
  }
  if (mm.auxv.length > MAX_AUXV || mm.auxv.length % 2 !== 0) {
    reasons.refuse(`the auxiliary vector has ${mm.auxv.length} words, expected pairs, at most ${MAX_AUXV}`);
  }
  const { startCode, endCode, startData, endData, startStack, startBrk, brk } = mm;
  const { argStart, argEnd, envStart, envEnd, auxv } = mm;
  const exe = table.regular(mm.exe, "the program")?.name ?? "";
  const addresses = { startCode, endCode, startData, endData, startStack, startBrk, brk };
  return { ...addresses, argStart, argEnd, envStart, envEnd, auxv, exe, dumpable: mm.dumpable ?? 1 };
}

/** Where the process stands in the file system. */
export function placeInFiles(
  images: Images,
  pid: number,
  table: FileTable,
  reasons: Reasons,
): { cwd: string; umask: number } {
  const fs = images.fs.get(pid);
  if (fs === undefined) {
    reasons.refuse(`fs-${pid}.img is missing`);
    return { cwd: "/", umask: 0 };
  }
  const root = table.regular(fs.root, "the root directory");
  if (root !== undefined && root.name !== "/") reasons.refuse(`the root directory is ${root.name} (chroot)`);
  const cwd = table.regular(fs.cwd, "the working directory");
  if (cwd !== undefined && formatOf(cwd) !== FORMAT.directory) reasons.refuse(`${cwd.name} is no directory to work in`);
  if (fs.umask === undefined) reasons.refuse(`fs-${pid}.img has no umask`);
  return { cwd: cwd?.name ?? "/", umask: fs.umask ?? 0 };
}
