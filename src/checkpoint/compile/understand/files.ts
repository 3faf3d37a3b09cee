/** Descriptors and the open file descriptions behind them, in an order in which they can be made. */
import type { FdinfoEntry, FileEntry, OwnerEntry } from "../../images/messages/files.ts";
import type { Descriptor, OpenFile } from "../process.ts";
import { eventfd, inotify, signalfd, timerfd } from "./anonymous.ts";
import { ownerOf, type SetOwner } from "./claims.ts";
import { hex, type Reasons } from "./context.ts";
import { epollSets } from "./epoll.ts";
import { inetSocket } from "./inet.ts";
import { type FilesContext, type Opened, TYPE, type Understood } from "./open-files.ts";
import { pathFile } from "./paths.ts";
import { pipes } from "./pipes.ts";
import type { FileTable } from "./tables.ts";
import { checkPackets, unixSockets } from "./unix.ts";

/** Types that are refused, in words. */
const REFUSED: Readonly<Record<number, string>> = {
  3: "a named pipe (FIFO)",
  10: "a packet socket",
  11: "a terminal",
  12: "fanotify",
  13: "a netlink socket",
  14: "a namespace",
  15: "a TUN device",
  16: "a file that is external to the dump",
  18: "a memory file (memfd_create)",
  19: "a BPF map",
  20: "a pidfd",
};

const FD_CLOEXEC = 1;
/** The kernel's own limit of descriptors (fs.nr_open) at its default. */
const MAX_FD = 1 << 20;

/** All open files and descriptors of the process whose descriptor table has that id. */
export function understandFiles(
  filesId: number,
  shared: FilesContext,
): { files: OpenFile[]; descriptors: Descriptor[]; owners: SetOwner[] } {
  const { images, table, reasons } = shared;
  const fdinfo = images.fdinfo.get(filesId);
  if (fdinfo === undefined) reasons.refuse(`fdinfo-${filesId}.img is missing`);
  for (const id of images.fdinfo.keys()) {
    if (id !== filesId) reasons.refuse(`fdinfo-${id}.img: descriptors of another process`);
  }
  const opened = gather(fdinfo ?? [], table, reasons);
  checkPackets(opened, shared);
  const understood = [
    ...opened.flatMap((one) => alone(one, shared)),
    ...pipes(ofType(opened, TYPE.pipe), shared),
    ...unixSockets(ofType(opened, TYPE.unix), shared),
    ...epollSets(ofType(opened, TYPE.epoll), fdinfo ?? [], shared),
  ];
  const index = new Map(understood.map(({ of }, position) => [of, position]));
  const descriptors = (fdinfo ?? []).flatMap(({ fd, id, flags }) => {
    const file = index.get(id);
    return file === undefined ? [] : [{ fd, file, closeOnExec: (flags & FD_CLOEXEC) !== 0 }];
  });
  return {
    files: understood.map(({ file }) => file),
    descriptors: descriptors.sort((a, b) => a.fd - b.fd),
    owners: opened.flatMap((one) => {
      const own = contentOf(one.file);
      return (own && ownerOf(one, own, shared.context.mainPid, reasons)) ?? [];
    }),
  };
}

function gather(fdinfo: readonly FdinfoEntry[], table: FileTable, reasons: Reasons): Opened[] {
  const fdsOf = new Map<number, number[]>();
  const seen = new Set<number>();
  for (const { id, type, fd, flags } of fdinfo) {
    const where = `fd ${fd}`;
    if (seen.has(fd)) reasons.refuse(`${where}: named twice`);
    if (fd >= MAX_FD) reasons.refuse(`${where}: expected one below ${MAX_FD}`);
    if (flags & ~FD_CLOEXEC) reasons.refuse(`${where}: unknown flags ${hex(flags)}`);
    seen.add(fd);
    const file = table.get(id, where);
    if (file !== undefined && file.type !== type) {
      reasons.refuse(`${where}: expected a file of type ${type}, got type ${file.type}`);
    }
    fdsOf.set(id, [...(fdsOf.get(id) ?? []), fd]);
  }
  return [...fdsOf].flatMap(([id, unsorted]) => {
    const fds = unsorted.sort((a, b) => a - b);
    const where = fds.length === 1 ? `fd ${fds[0]}` : `fds ${fds.join(", ")}`;
    const file = table.get(id, where);
    return file === undefined ? [] : [{ file, fds, where }];
  });
}

function ofType(opened: readonly Opened[], type: number): Opened[] {
  return opened.filter(({ file }) => file.type === type);
}

/** Files that need no other ones. */
function alone(opened: Opened, shared: FilesContext): Understood[] {
  const { file, where } = opened;
  const { reasons, table } = shared;
  const own = contentOf(file);
  if (own === undefined) {
    const what = REFUSED[file.type] ?? `a file of the unknown type ${file.type}`;
    reasons.refuse(file.type in KNOWN ? `${where}: its file of type ${file.type} has no content` : `${where}: ${what}`);
    return [];
  }
  if (own.id !== file.id) reasons.refuse(`${where}: expected the id ${file.id} in the file, got ${own.id}`);
  const made = make(file, where, table, reasons);
  return made === undefined ? [] : [{ of: file.id, file: made }];
}

function make(file: FileEntry, where: string, table: FileTable, reasons: Reasons): OpenFile | undefined {
  if (file.type === TYPE.regular && file.regular) return pathFile(file.regular, where, table, reasons);
  if (file.type === TYPE.inet && file.inet) return inetSocket(file.inet, where, reasons);
  if (file.type === TYPE.eventfd && file.eventfd) return eventfd(file.eventfd);
  if (file.type === TYPE.signalfd && file.signalfd) return signalfd(file.signalfd);
  if (file.type === TYPE.timerfd && file.timerfd) return timerfd(file.timerfd, where, reasons);
  if (file.type === TYPE.inotify && file.inotify) return inotify(file.inotify, where, reasons);
  return undefined;
}

const KNOWN: Readonly<Record<number, true>> = Object.fromEntries(Object.values(TYPE).map((type) => [type, true]));

/** What every type of file has; undefined for a type that is refused, or whose content is missing. */
function contentOf(file: FileEntry): { id: number; flags: number; owner: OwnerEntry } | undefined {
  switch (file.type) {
    case TYPE.regular:
      return file.regular;
    case TYPE.pipe:
      return file.pipe;
    case TYPE.inet:
      return file.inet;
    case TYPE.unix:
      return file.unix;
    case TYPE.eventfd:
      return file.eventfd;
    case TYPE.epoll:
      return file.epoll;
    case TYPE.inotify:
      return file.inotify;
    case TYPE.signalfd:
      return file.signalfd;
    case TYPE.timerfd:
      return file.timerfd;
    default:
      return undefined;
  }
}
