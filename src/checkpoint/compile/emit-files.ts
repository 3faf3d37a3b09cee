/** Open files and descriptors as tables. */
import type { DataPool } from "./data-pool.ts";
import {
  type DescriptorRecord,
  FileKind,
  type FileRecord,
  type OptionRecord,
  type PacketRecord,
  RESTORE_LIMITS,
  type WatchRecord,
} from "./generated/tables.ts";
import type { Descriptor, OpenFile, SocketOption } from "./process.ts";
import { Refusal } from "./refusal.ts";

export interface FileTables {
  readonly files: readonly FileRecord[];
  readonly descriptors: readonly DescriptorRecord[];
  readonly watches: readonly WatchRecord[];
  readonly options: readonly OptionRecord[];
  readonly packets: readonly PacketRecord[];
}

const NOTHING = 2n ** 64n - 1n;
const O_NONBLOCK = 0o4000;
const AF = { unix: 1n, inet: 2n, inet6: 10n } as const;
const SOCK = { tcp: 1n, udp: 2n } as const;
const IPPROTO = { tcp: 6n, udp: 17n } as const;

interface Building {
  readonly data: DataPool;
  readonly watches: WatchRecord[];
  readonly options: OptionRecord[];
  readonly packets: PacketRecord[];
}

/** @throws Refusal where two ends that belong together are not both there. */
export function emitFiles(files: readonly OpenFile[], descriptors: readonly Descriptor[], data: DataPool): FileTables {
  const { files: all, order } = withLoneEnds(files);
  const building: Building = { data, watches: [], options: [], packets: [] };
  const records = order.map((original, index) => {
    const file = all[original];
    if (file === undefined) throw new Refusal(`file ${original}: expected one`);
    return emitFile(file, index, building);
  });
  const place = new Map(order.map((original, index) => [original, index]));
  const emitted = descriptors
    .map(({ fd, file, closeOnExec }) => ({ fd, file: place.get(file) ?? -1, cloexec: closeOnExec ? 1 : 0 }))
    .concat(loneEnds(files.length, all.length, descriptors).map((end) => ({ ...end, file: place.get(end.file) ?? -1 })))
    .sort((a, b) => a.file - b.file || a.fd - b.fd);
  for (const [index, original] of order.entries()) {
    if (!emitted.some(({ file }) => file === index)) throw new Refusal(`file ${original}: no descriptor refers to it`);
  }
  return { files: records, descriptors: emitted, ...building };
}

/** Closed again when all files stand: see `cloexec` in restore.yaml. */
const CLOSED_AGAIN = 2;

/** Descriptors above the process's own for ends that it does not have. */
export function loneEnds(from: number, to: number, descriptors: readonly Descriptor[]) {
  const first = descriptors.reduce((most, { fd }) => Math.max(most, fd), -1) + 1;
  return Array.from({ length: to - from }, (_, i) => ({ fd: first + i, file: from + i, cloexec: CLOSED_AGAIN }));
}

/**
 * All files, with the ends that the process has closed behind its own, and the order in which they are made: the ends
 * of a pipe or pair side by side, the reading one or side 0 first.
 */
function withLoneEnds(files: readonly OpenFile[]): { files: OpenFile[]; order: number[] } {
  const all = [...files];
  const order: number[] = [];
  const partner = (index: number, isOther: (file: OpenFile) => boolean, make: () => OpenFile): number => {
    const others = all.flatMap((file, i) => (i !== index && isOther(file) ? [i] : []));
    if (others.length > 1) throw new Refusal(`file ${index}: expected one other end, got ${others.length}`);
    return others[0] ?? all.push(make()) - 1;
  };
  for (const [index, file] of files.entries()) {
    if (file.is === "pipe") {
      const end = file.end === "read" ? "write" : "read";
      const isOther = (other: OpenFile) => other.is === "pipe" && other.pipe === file.pipe;
      const other = partner(index, isOther, () => ({ ...file, end, flags: 0, data: new Uint8Array() }));
      if (!order.includes(index)) order.push(...(file.end === "read" ? [index, other] : [other, index]));
    } else if (file.is === "socketpair") {
      const side = file.side === 0 ? 1 : 0;
      const isOther = (other: OpenFile) => other.is === "socketpair" && other.pair === file.pair;
      const other = partner(index, isOther, () => ({ ...file, side, flags: 0, data: [], options: [] }));
      if (!order.includes(index)) order.push(...(file.side === 0 ? [index, other] : [other, index]));
    } else order.push(index);
  }
  return { files: all, order };
}

const EMPTY: FileRecord = {
  kind: 0,
  flags: 0,
  text: 0,
  length: 0,
  first: 0,
  count: 0,
  a: 0n,
  b: 0n,
  c: 0n,
  d: 0n,
  e: 0n,
};

function emitFile(file: OpenFile, index: number, building: Building): FileRecord {
  const { data } = building;
  switch (file.is) {
    case "stdio":
      return { ...EMPTY, kind: FileKind.stdio, flags: file.flags & O_NONBLOCK, a: BigInt(file.stream) };
    case "regular":
    case "directory":
    case "device": {
      const a = file.is === "device" ? NOTHING : file.offset;
      return { ...EMPTY, kind: FileKind.open, flags: file.flags, text: data.text(file.path), a };
    }
    case "pipe":
      return emitPipe(file, data);
    case "eventfd":
      return { ...EMPTY, kind: FileKind.eventfd, flags: file.flags & O_NONBLOCK, a: file.counter };
    case "timerfd": {
      const { clock, interval: b, value: c, ticks: d, settime } = file;
      return {
        ...EMPTY,
        kind: FileKind.timerfd,
        flags: file.flags & O_NONBLOCK,
        a: BigInt(clock),
        b,
        c,
        d,
        e: BigInt(settime),
      };
    }
    case "signalfd":
      return { ...EMPTY, kind: FileKind.signalfd, flags: file.flags & O_NONBLOCK, a: file.mask };
    case "inotify": {
      const far = file.watches.find(({ wd }) => wd > RESTORE_LIMITS.WATCH);
      if (far) throw new Refusal(`inotify: the watch ${far.wd}, expected at most ${RESTORE_LIMITS.WATCH}`);
      const watches = file.watches.map(({ wd, mask, path }) => ({ a: wd, b: mask, data: BigInt(data.text(path)) }));
      return { ...EMPTY, kind: FileKind.inotify, flags: file.flags & O_NONBLOCK, ...put(building.watches, watches) };
    }
    case "epoll": {
      const watches = file.watches.map(({ fd, events, data: value }) => ({ a: fd, b: events, data: value }));
      return { ...EMPTY, kind: FileKind.epoll, ...put(building.watches, watches) };
    }
    case "listener":
      return emitListener(file, building);
    case "unix":
      return emitUnix(file, building);
    case "socketpair":
      return emitPair(file, index, building);
  }
}

function emitPipe(file: OpenFile & { is: "pipe" }, data: DataPool): FileRecord {
  const flags = file.flags & O_NONBLOCK;
  if (file.end === "write") return { ...EMPTY, kind: FileKind.pipeWrite, flags };
  const content = { text: file.data.length > 0 ? data.bytes(file.data) : 0, length: file.data.length };
  return { ...EMPTY, kind: FileKind.pipe, flags, a: BigInt(file.size), ...content };
}

function emitListener(file: OpenFile & { is: "listener" }, building: Building): FileRecord {
  const name = inetName(file.address, file.port);
  return {
    ...EMPTY,
    kind: FileKind.socket,
    flags: file.flags & O_NONBLOCK,
    text: building.data.bytes(name),
    length: name.length,
    ...emitOptions(file.options, building),
    a: file.address.length === 4 ? AF.inet : AF.inet6,
    b: SOCK[file.type],
    c: IPPROTO[file.type],
    d: file.backlog === undefined ? NOTHING : BigInt(file.backlog),
  };
}

/** struct sockaddr_in or sockaddr_in6. */
function inetName(address: Uint8Array, port: number): Uint8Array {
  const isV4 = address.length === 4;
  const name = new Uint8Array(isV4 ? 16 : 28);
  const view = new DataView(name.buffer);
  view.setUint16(0, Number(isV4 ? AF.inet : AF.inet6), true);
  view.setUint16(2, port);
  name.set(address, isV4 ? 4 : 8);
  return name;
}

function emitUnix(file: OpenFile & { is: "unix" }, building: Building): FileRecord {
  const { mode, uid, gid } = file.file ?? { mode: 0, uid: 0, gid: 0 };
  const name = Uint8Array.of(Number(AF.unix), 0, ...file.name, ...(file.file ? [0] : []));
  const bound = file.name.length > 0;
  return {
    ...EMPTY,
    kind: file.file ? FileKind.pathSocket : FileKind.socket,
    flags: file.flags & O_NONBLOCK,
    text: bound ? building.data.bytes(name) : 0,
    length: bound ? name.length : 0,
    ...emitOptions(file.options, building),
    a: AF.unix,
    b: BigInt(file.type),
    c: file.file ? (BigInt(uid) << 32n) | BigInt(gid) : 0n,
    d: file.backlog === undefined ? NOTHING : BigInt(file.backlog),
    e: BigInt(mode & 0o7777),
  };
}

function emitPair(file: OpenFile & { is: "socketpair" }, index: number, building: Building): FileRecord {
  for (const bytes of file.data) {
    building.packets.push({ file: index, data: building.data.bytes(bytes), length: bytes.length });
  }
  return {
    ...EMPTY,
    kind: file.side === 0 ? FileKind.socketpair : FileKind.socketpairSecond,
    flags: file.flags & O_NONBLOCK,
    ...emitOptions(file.options, building),
    a: BigInt(file.type),
  };
}

function emitOptions(options: readonly SocketOption[], { data, options: all }: Building) {
  const records = options.map(({ level, name, value }) => {
    return { level, name, value: data.bytes(value), length: value.length };
  });
  return put(all, records);
}

function put<T>(all: T[], more: readonly T[]): { first: number; count: number } {
  const first = all.length;
  all.push(...more);
  return { first, count: more.length };
}
