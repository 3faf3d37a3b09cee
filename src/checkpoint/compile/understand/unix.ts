/** Unix sockets: those without a peer, and pairs of which the process has both sides, with what waits in them. */
import type { UnixSocket } from "../../images/messages/sockets.ts";
import type { OpenFile } from "../process.ts";
import { STATE } from "./inet.ts";
import { type FilesContext, type Opened, reopenFlags, TYPE, type Understood } from "./open-files.ts";
import { socketOptions } from "./socket-options.ts";

/** SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET. */
const TYPE_OF = { stream: 1, datagrams: 2, packets: 5 } as const;
const TYPES: readonly number[] = Object.values(TYPE_OF);
/** CRIU's sk_shutdown. */
const SHUT_DOWN_BOTH = 3;
const MAX_NAME_BYTES = 108;

interface Socket {
  readonly of: number;
  readonly where: string;
  readonly entry: UnixSocket;
}

/** Both sides of a pair stand side by side. */
export function unixSockets(opened: readonly Opened[], shared: FilesContext): Understood[] {
  const sockets = opened.flatMap(({ file, where }) =>
    file.unix === undefined ? [] : [{ of: file.id, where, entry: file.unix }],
  );
  const byInode = new Map(sockets.map((socket) => [socket.entry.inode, socket]));
  if (byInode.size !== sockets.length) shared.reasons.refuse("files.img: two unix sockets with one inode");
  const pairs = new Set<Socket>();
  return sockets.flatMap((socket) => {
    if (pairs.has(socket)) return [];
    if (isLeft(socket)) return [side(socket, 0, socket.entry.inode, shared)];
    if (!isSound(socket, shared)) return [];
    if (socket.entry.peer === 0) return unconnected(socket, shared);
    const peer = byInode.get(socket.entry.peer);
    const problem = pairProblem(socket, peer);
    if (peer === undefined || problem !== undefined) {
      shared.reasons.refuse(`${socket.where}: ${problem}`);
      return [];
    }
    pairs.add(peer);
    if (!isSound(peer, shared)) return [];
    return [side(socket, 0, socket.entry.inode, shared), side(peer, 1, socket.entry.inode, shared)];
  });
}

/** Whether it is a side of a pair of which the other was closed, as Java keeps one. */
function isLeft({ entry }: Socket): boolean {
  const { type, state, peer, shutdown, marks, name } = entry;
  const isStream = type === TYPE_OF.stream || type === TYPE_OF.packets;
  const isClosed = state === STATE.established && peer === 0 && shutdown === SHUT_DOWN_BOTH;
  return isStream && isClosed && marks === 0 && name.length === 0;
}

/** Refuses data that waits for nobody, and descriptors on their way. */
export function checkPackets(opened: readonly Opened[], { images, reasons }: FilesContext): void {
  const sockets = new Map(opened.flatMap((one) => (one.file.type === TYPE.unix ? [[one.file.id, one]] : [])));
  for (const { entry } of images.packets) {
    const owner = sockets.get(entry.socket);
    if (owner === undefined) reasons.refuse(`sk-queues.img: data for a socket that nobody has (${entry.socket})`);
    else if (entry.control.length > 0) reasons.refuse(`${owner.where}: descriptors wait in it (SCM_RIGHTS)`);
  }
}

function isSound({ entry, where }: Socket, { reasons }: FilesContext): boolean {
  const refuse = (why: string) => {
    reasons.refuse(`${where}: ${why}`);
    return false;
  };
  if (!TYPES.includes(entry.type)) return refuse(`a unix socket of type ${entry.type}`);
  if (entry.marks !== 0) return refuse(`a unix socket that is external to the dump`);
  if (entry.shutdown) return refuse("a unix socket that is shut down");
  if (entry.deleted) return refuse("a unix socket whose path was deleted");
  if (entry.nameDirectory !== undefined) return refuse("a unix socket with a relative path");
  return true;
}

/** Why the two are no pair as socketpair(2) makes it. */
function pairProblem({ entry }: Socket, peer: Socket | undefined): string | undefined {
  if (entry.state === STATE.listening) return "a listening unix socket with a peer";
  if (peer === undefined) return "a unix socket that is connected to another process";
  if (peer.entry.peer !== entry.inode || peer.entry.type !== entry.type || peer.entry.inode === entry.inode) {
    return "a connected unix socket";
  }
  if (entry.name.length > 0 || peer.entry.name.length > 0) return "a connected unix socket with a name";
  const states = [entry.state, peer.entry.state];
  return states.every((state) => state === STATE.established) ? undefined : `unix sockets in the states ${states}`;
}

function side({ of, where, entry }: Socket, index: 0 | 1, pair: number, shared: FilesContext): Understood {
  const waiting = shared.images.packets.filter((packet) => packet.entry.socket === of);
  const data = waiting.map(({ payload }) => payload);
  const options = socketOptions(entry.options, where, shared.reasons);
  const flags = reopenFlags(entry.flags);
  return { of, file: { is: "socketpair", pair, side: index, flags, type: entry.type, data, options } };
}

function unconnected({ of, where, entry }: Socket, { images, reasons }: FilesContext): Understood[] {
  const listens = entry.state === STATE.listening;
  if (!listens && entry.state !== STATE.closed) {
    reasons.refuse(`${where}: a unix socket whose peer is gone`);
    return [];
  }
  if (images.packets.some((packet) => packet.entry.socket === of)) {
    reasons.refuse(`${where}: data waits in an unconnected unix socket`);
  }
  const name = nameOf(entry);
  if (name.length > MAX_NAME_BYTES) reasons.refuse(`${where}: a unix socket with a name of ${name.length} bytes`);
  const isPath = name.length > 0 && name[0] !== 0;
  if (isPath && entry.permissions === undefined) reasons.refuse(`${where}: no permissions of its path in the images`);
  if (listens && name.length === 0) reasons.refuse(`${where}: a listening unix socket without a name`);
  const backlog = listens ? entry.backlog : undefined;
  const options = socketOptions(entry.options, where, reasons);
  const flags = reopenFlags(entry.flags);
  const file: OpenFile = {
    ...{ is: "unix", flags, type: entry.type, name, backlog, options },
    file: isPath ? entry.permissions : undefined,
  };
  return [{ of, file }];
}

/** bind(2) counts a path's NUL or does not; it is no part of the name. */
function nameOf({ name }: UnixSocket): Uint8Array {
  return name.length > 0 && name[0] !== 0 && name.at(-1) === 0 ? name.subarray(0, -1) : name;
}
