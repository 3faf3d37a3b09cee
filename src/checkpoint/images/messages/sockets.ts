/** What CRIU's images say about sockets and what waits in them. Field numbers of CRIU 4.2. */
import {
  bool,
  bytes,
  fixed64,
  message,
  type Of,
  optional,
  repeated,
  required,
  sint32,
  string,
  uint32,
  uint64,
} from "../description.ts";
import { owner } from "./owner.ts";

const options = message("sk_opts_entry", {
  sendBuffer: required(1, uint32),
  receiveBuffer: required(2, uint32),
  sendTimeoutSec: required(3, uint64),
  sendTimeoutUsec: required(4, uint64),
  receiveTimeoutSec: required(5, uint64),
  receiveTimeoutUsec: required(6, uint64),
  reuseAddress: optional(7, bool),
  priority: optional(8, uint32),
  receiveLowWater: optional(9, uint32),
  mark: optional(10, uint32),
  passCredentials: optional(11, bool),
  passSecurity: optional(12, bool),
  dontRoute: optional(13, bool),
  noCheck: optional(14, bool),
  boundDevice: optional(15, string),
  filter: repeated(16, fixed64),
  reusePort: optional(17, bool),
  broadcast: optional(18, bool),
  keepAlive: optional(19, bool),
  tcpKeepCount: optional(20, uint32),
  tcpKeepIdle: optional(21, uint32),
  tcpKeepInterval: optional(22, uint32),
  oobInline: optional(23, uint32),
  linger: optional(24, uint32),
  /** 1: the send buffer's size was set, 2: the receive buffer's. */
  bufferLock: optional(25, uint32),
});

const rawOptions = message("ip_opts_raw_entry", {
  headerIncluded: optional(1, bool),
  noFragments: optional(2, bool),
  checksum: optional(3, bool),
  icmpFilter: repeated(4, uint32),
});

const ipOptions = message("ip_opts_entry", {
  freeBind: optional(1, bool),
  raw: optional(4, rawOptions),
  packetInfo: optional(5, bool),
  typeOfService: optional(6, uint32),
  timeToLive: optional(7, uint32),
});

const tcpOptions = message("tcp_opts_entry", {
  cork: optional(1, bool),
  noDelay: optional(2, bool),
  keepCount: optional(3, uint32),
  keepIdle: optional(4, uint32),
  keepInterval: optional(5, uint32),
});

export const inetSocket = message("inet_sk_entry", {
  id: required(1, uint32),
  inode: required(2, uint32),
  family: required(3, uint32),
  type: required(4, uint32),
  protocol: required(5, uint32),
  /** As in TCP: 1 established, 7 closed (or bound only), 10 listening. */
  state: required(6, uint32),
  port: required(7, uint32),
  peerPort: required(8, uint32),
  flags: required(9, uint32),
  backlog: required(10, uint32),
  /** Words in network byte order, read little-endian. */
  address: repeated(11, uint32),
  peerAddress: repeated(12, uint32),
  owner: required(13, owner),
  options: required(14, options),
  v6only: optional(15, bool),
  ip: optional(16, ipOptions),
  interfaceName: optional(17, string),
  namespace: optional(18, uint32),
  shutdown: optional(19, uint32),
  tcp: optional(20, tcpOptions),
});

const permissions = message("file_perms_entry", {
  mode: required(1, uint32),
  uid: required(2, uint32),
  gid: required(3, uint32),
});

export const unixSocket = message("unix_sk_entry", {
  id: required(1, uint32),
  inode: required(2, uint32),
  type: required(3, uint32),
  /** As of inet sockets. */
  state: required(4, uint32),
  flags: required(5, uint32),
  /** CRIU's own: external, its service, ... */
  marks: required(6, uint32),
  backlog: required(7, uint32),
  /** The peer's inode, 0: none. */
  peer: required(8, uint32),
  owner: required(9, owner),
  options: required(10, options),
  name: required(11, bytes),
  shutdown: optional(12, uint32),
  permissions: optional(13, permissions),
  nameDirectory: optional(14, string),
  deleted: optional(15, bool),
  namespace: optional(16, uint32),
  mountId: optional(17, sint32),
});

const controlMessage = message("scm_entry", { type: required(1, uint32), rights: repeated(2, uint32) });

/** Followed by the packet's bytes. */
export const packetEntry = message("sk_packet_entry", {
  socket: required(1, uint32),
  length: required(2, uint32),
  control: repeated(4, controlMessage),
});

export type SocketOptions = Of<typeof options>;
export type InetSocket = Of<typeof inetSocket>;
export type UnixSocket = Of<typeof unixSocket>;
export type PacketEntry = Of<typeof packetEntry>;
