/** Mappings: CRIU's bits and the kernel's flags become one of the kinds that the restorer makes, or a refusal. */
import type { MmEntry, VmaEntry } from "../../images/messages/memory.ts";
import type { Vma } from "../process.ts";
import { hex, type Reasons } from "./context.ts";
import { type FileTable, FORMAT, formatOf } from "./tables.ts";

/** CRIU's status bits of a VMA. */
const STATUS = {
  regular: 1 << 0,
  stack: 1 << 1,
  vsyscall: 1 << 2,
  vdso: 1 << 3,
  heap: 1 << 5,
  filePrivate: 1 << 6,
  fileShared: 1 << 7,
  anonymousShared: 1 << 8,
  anonymousPrivate: 1 << 9,
  sysv: 1 << 10,
  socket: 1 << 11,
  vvar: 1 << 12,
  aioRing: 1 << 13,
  memfd: 1 << 14,
  shadowStack: 1 << 15,
  guard: 1 << 16,
  uprobes: 1 << 17,
} as const;

/** Status bits that are refused, in words; the first that is set is told. */
const REFUSED_STATUS: readonly (readonly [bit: number, why: string])[] = [
  [STATUS.sysv, "System V shared memory"],
  [STATUS.socket, "a mapped socket"],
  [STATUS.aioRing, "asynchronous I/O"],
  [STATUS.memfd, "a memory file (memfd_create, or a file of tmpfs)"],
  [STATUS.shadowStack, "a shadow stack"],
  [STATUS.uprobes, "uprobes"],
  [STATUS.anonymousShared, "shared memory"],
];

const MAP = {
  shared: 0x1,
  private: 0x2,
  droppable: 0x8,
  anonymous: 0x20,
  growsDown: 0x100,
  locked: 0x2000,
  noReserve: 0x4000,
  hugetlb: 0x40000,
} as const;
const KNOWN_FLAGS = MAP.shared | MAP.private | MAP.droppable | MAP.anonymous | MAP.growsDown | MAP.noReserve;
const REFUSED_FLAGS: readonly (readonly [bit: number, why: string])[] = [
  [MAP.hugetlb, "huge pages (MAP_HUGETLB)"],
  [MAP.locked, "locked in memory (mlock)"],
];

/** MADV_* that may be in force, in the order in which they are given: what forbids a fork's copy comes last. */
const ADVICE = [1, 2, 12, 14, 15, 16, 18, 10] as const;
const MADV_GUARD_INSTALL = 102;
/** The kernel's own for droppable mappings: MADV_DONTDUMP, MADV_WIPEONFORK. */
const OF_DROPPABLE: readonly number[] = [16, 18];
const PROT_ALL = 7;
const O_RDWR = 2;
const PAGE = 4096n;
/** Above are the kernel's own mappings, such as vsyscall's. */
const USER_END = 1n << 47n;

/** All mappings but the kernel's fixed ones, in ascending order, guard pages as advice on mappings of their own. */
export function vmas(mm: MmEntry, table: FileTable, reasons: Reasons): Vma[] {
  const found: Vma[] = [];
  const guards: VmaEntry[] = [];
  for (const entry of mm.vmas) {
    if (entry.status & STATUS.vsyscall) continue;
    if (!inBounds(entry)) {
      reasons.refuse(`${nameOf(entry)}: expected a range of whole pages below ${hex(USER_END)}`);
      continue;
    }
    if (entry.status & STATUS.guard) {
      guards.push(entry);
      continue;
    }
    const vma = understandVma(entry, table, reasons);
    if (vma !== undefined) found.push(vma);
  }
  const ordered = inOrder(found, reasons);
  return guards.length === 0 ? ordered : withGuards(ordered, guards, reasons);
}

function understandVma(entry: VmaEntry, table: FileTable, reasons: Reasons): Vma | undefined {
  const refuse = (why: string) => {
    reasons.refuse(`${nameOf(entry)}: ${why}`);
    return undefined;
  };
  const { start, end, prot, status, flags } = entry;
  const isKernels = (status & (STATUS.vvar | STATUS.vdso)) !== 0;
  const refused = REFUSED_FLAGS.find(([bit]) => flags & bit)?.[1] ?? REFUSED_STATUS.find(([bit]) => status & bit)?.[1];
  if (refused !== undefined) return refuse(refused);
  if ((flags & ~KNOWN_FLAGS) !== 0) return refuse(`unknown mapping flags ${hex(flags)}`);
  if ((prot & ~PROT_ALL) !== 0) return refuse(`unknown protection ${hex(prot)}`);
  const kind = kindOf(entry, table, refuse);
  if (kind === undefined) return undefined;
  const known = isKernels ? [] : adviceOf(entry, refuse);
  const advice = kind.is === "droppable" ? known.filter((value) => !OF_DROPPABLE.includes(value)) : known;
  return { start, end, prot, kind, advice, noReserve: (flags & MAP.noReserve) !== 0 };
}

function kindOf(entry: VmaEntry, table: FileTable, refuse: (why: string) => undefined): Vma["kind"] | undefined {
  const { status, flags } = entry;
  if (status & STATUS.vdso) return { is: "vdso" };
  if (status & STATUS.vvar) return { is: "vvar" };
  const allowed = STATUS.regular | STATUS.heap | STATUS.stack;
  const kind = status & ~allowed;
  const isPrivate = (flags & (MAP.private | MAP.shared)) === MAP.private;
  const growsDown = (flags & MAP.growsDown) !== 0;
  const unknown = `unknown kind of mapping (status ${hex(status)}, flags ${hex(flags)})`;
  if (flags & MAP.droppable) {
    // To mmap(2) it stands in the place of MAP_PRIVATE; in /proc such a mapping is private.
    const isPlain = kind === STATUS.anonymousPrivate && (flags & MAP.anonymous) !== 0;
    return isPlain && !growsDown && !(flags & MAP.shared) ? { is: "droppable" } : refuse(unknown);
  }
  if (kind === STATUS.anonymousPrivate && isPrivate && flags & MAP.anonymous) return { is: "anonymous", growsDown };
  if (growsDown) return refuse("a file's mapping that grows down");
  if (flags & MAP.anonymous) return refuse(unknown);
  if (kind === STATUS.filePrivate && isPrivate) return mappedFile(entry, "file", table, refuse);
  const isShared = (flags & (MAP.private | MAP.shared)) === MAP.shared;
  if (kind === STATUS.fileShared && isShared) return mappedFile(entry, "shared-file", table, refuse);
  return refuse(unknown);
}

function mappedFile(
  entry: VmaEntry,
  is: "file" | "shared-file",
  table: FileTable,
  refuse: (why: string) => undefined,
): Vma["kind"] | undefined {
  if (entry.file > 0xffffffffn) return refuse(`no file has the id ${entry.file}`);
  const file = table.regular(Number(entry.file), nameOf(entry));
  if (file === undefined) return undefined;
  const { name: path, size } = file;
  if (formatOf(file) !== FORMAT.regular) return refuse(`${path} is mapped and no regular file`);
  if (size === undefined) return refuse(`${path} has no size in the images`);
  const { offset } = entry;
  if (offset % PAGE !== 0n) return refuse(`${path} is mapped at ${hex(offset)}, which is no page's offset`);
  if (is === "file") return { is, path, offset, size };
  const writable = entry.fileFlags === O_RDWR;
  if (entry.prot & 2 && !writable) return refuse(`${path} is mapped writable and was opened for reading`);
  return { is, path, offset, size, writable };
}

function adviceOf({ advice = 0n }: VmaEntry, refuse: (why: string) => undefined): number[] {
  const known = ADVICE.filter((value) => advice & (1n << BigInt(value)));
  const rest = known.reduce((bits, value) => bits & ~(1n << BigInt(value)), advice);
  if (rest !== 0n) refuse(`unknown advice (madvise) ${hex(rest)}`);
  return known;
}

function inBounds({ start, end }: VmaEntry): boolean {
  return start < end && end <= USER_END && start % PAGE === 0n && end % PAGE === 0n;
}

function inOrder(found: readonly Vma[], reasons: Reasons): Vma[] {
  const ordered = [...found].sort((a, b) => (a.start < b.start ? -1 : 1));
  for (const [index, vma] of ordered.entries()) {
    const next = ordered[index + 1];
    if (next !== undefined && next.start < vma.end) reasons.refuse(`${nameOf(next)}: overlaps ${nameOf(vma)}`);
  }
  return ordered;
}

/** Cuts the mappings where guard pages begin and end; what lies under those gets the advice that makes them. */
function withGuards(ordered: readonly Vma[], guards: readonly VmaEntry[], reasons: Reasons): Vma[] {
  const left = [...guards].sort((a, b) => (a.start < b.start ? -1 : 1));
  const cut = ordered.flatMap((vma) => {
    const pieces: Vma[] = [];
    let rest = vma;
    while (left[0] !== undefined && left[0].start >= rest.start && left[0].start < rest.end) {
      const { start } = left[0];
      const end = left[0].end < rest.end ? left[0].end : rest.end;
      if (left[0].end > rest.end) left[0] = { ...left[0], start: end };
      else left.shift();
      if (start > rest.start) pieces.push(piece(rest, rest.start, start));
      pieces.push(guarded(piece(rest, start, end)));
      rest = piece(rest, end, rest.end);
      if (rest.start === rest.end) break;
    }
    return rest.start === rest.end ? pieces : [...pieces, rest];
  });
  for (const guard of left) reasons.refuse(`${nameOf(guard)}: guard pages where no mapping is`);
  return cut;
}

function guarded(vma: Vma): Vma {
  return { ...vma, advice: [...vma.advice, MADV_GUARD_INSTALL] };
}

function piece(vma: Vma, start: bigint, end: bigint): Vma {
  const { kind } = vma;
  const moved = "offset" in kind ? { ...kind, offset: kind.offset + (start - vma.start) } : kind;
  return { ...vma, start, end, kind: moved };
}

/** How a mapping is named in reasons. */
function nameOf({ start, end }: { readonly start: bigint; readonly end: bigint }): string {
  return `mapping ${start.toString(16)}-${end.toString(16)}`;
}
