/** What CRIU's images say about memory: mm with its VMAs, and pagemap. Field numbers of CRIU 4.2. */
import { bool, int32, message, type Of, optional, repeated, required, sint64, uint32, uint64 } from "../description.ts";

const vma = message("vma_entry", {
  start: required(1, uint64),
  end: required(2, uint64),
  /** Bytes. */
  offset: required(3, uint64),
  /** Of a file's mapping: the id of its entry in files.img. */
  file: required(4, uint64),
  prot: required(5, uint32),
  /** MAP_*. */
  flags: required(6, uint32),
  /** CRIU's own bits: see compile/understand/vmas.ts. */
  status: required(7, uint32),
  fd: required(8, sint64),
  /** Bit n: madvise(n) is in force. */
  advice: optional(9, uint64),
  /** O_RDONLY or O_RDWR as the mapped file was opened. */
  fileFlags: optional(10, uint32),
});

const aioRing = message("aio_ring_entry", {
  id: required(1, uint64),
  requests: required(2, uint32),
  length: required(3, uint32),
});

export const mmEntry = message("mm_entry", {
  startCode: required(1, uint64),
  endCode: required(2, uint64),
  startData: required(3, uint64),
  endData: required(4, uint64),
  startStack: required(5, uint64),
  startBrk: required(6, uint64),
  brk: required(7, uint64),
  argStart: required(8, uint64),
  argEnd: required(9, uint64),
  envStart: required(10, uint64),
  envEnd: required(11, uint64),
  /** Id in files.img. */
  exe: required(12, uint32),
  auxv: repeated(13, uint64),
  vmas: repeated(14, vma),
  dumpable: optional(15, int32),
  aioRings: repeated(16, aioRing),
  thpDisabled: optional(17, bool),
});

export const pagemapHead = message("pagemap_head", { pagesId: required(1, uint32) });

export const pagemapEntry = message("pagemap_entry", {
  address: required(1, uint64),
  /** The low 32 bits, for older CRIUs. */
  compatPages: required(2, uint32),
  inParent: optional(3, bool),
  /** 1: in the parent's images, 2: may be restored late, 4: in the pages file. */
  flags: optional(4, uint32),
  pages: optional(5, uint64),
});

export type VmaEntry = Of<typeof vma>;
export type MmEntry = Of<typeof mmEntry>;
export type PagemapEntry = Of<typeof pagemapEntry>;
