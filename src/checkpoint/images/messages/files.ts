/** What CRIU's images say about open files and descriptors. Field numbers of CRIU 4.2. */
import {
  bool,
  bytes,
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
import { inetSocket, unixSocket } from "./sockets.ts";

export const fdinfoEntry = message("fdinfo_entry", {
  /** Id in files.img. */
  id: required(1, uint32),
  /** 1: close on exec. */
  flags: required(2, uint32),
  type: required(3, uint32),
  fd: required(4, uint32),
});

const regular = message("reg_file_entry", {
  id: required(1, uint32),
  flags: required(2, uint32),
  position: required(3, uint64),
  owner: required(5, owner),
  name: required(6, string),
  mountId: optional(7, sint32),
  size: optional(8, uint64),
  external: optional(9, bool),
  /** S_IFMT and permissions. */
  mode: optional(10, uint32),
  buildId: repeated(11, uint32),
  checksum: optional(12, uint32),
  checksumConfig: optional(13, uint32),
  checksumParameter: optional(14, uint32),
});

const pipe = message("pipe_entry", {
  id: required(1, uint32),
  /** The same for both ends; the inode's number. */
  pipe: required(2, uint32),
  flags: required(3, uint32),
  owner: required(4, owner),
});

const eventfd = message("eventfd_file_entry", {
  id: required(1, uint32),
  flags: required(2, uint32),
  owner: required(3, owner),
  counter: required(4, uint64),
});

const epollTarget = message("eventpoll_tfd_entry", {
  id: required(1, uint32),
  fd: required(2, uint32),
  events: required(3, uint32),
  data: required(4, uint64),
  device: optional(5, uint32),
  inode: optional(6, uint64),
  position: optional(7, uint64),
});

const epoll = message("eventpoll_file_entry", {
  id: required(1, uint32),
  flags: required(2, uint32),
  owner: required(3, owner),
  targets: repeated(4, epollTarget),
});

const signalfd = message("signalfd_entry", {
  id: required(1, uint32),
  flags: required(2, uint32),
  owner: required(3, owner),
  mask: required(4, uint64),
});

const timerfd = message("timerfd_entry", {
  id: required(1, uint32),
  flags: required(2, uint32),
  owner: required(3, owner),
  clock: required(4, uint32),
  ticks: required(5, uint64),
  settimeFlags: required(6, uint32),
  vsec: required(7, uint64),
  vnsec: required(8, uint64),
  isec: required(9, uint64),
  insec: required(10, uint64),
});

const handle = message("fh_entry", {
  bytes: required(1, uint32),
  type: required(2, uint32),
  handle: repeated(3, uint64),
  path: optional(4, string),
  mountId: optional(5, uint32),
});

const watch = message("inotify_wd_entry", {
  id: required(1, uint32),
  inode: required(2, uint64),
  mask: required(3, uint32),
  ignoredMask: required(4, uint32),
  device: required(5, uint32),
  wd: required(6, uint32),
  handle: required(7, handle),
});

const inotify = message("inotify_file_entry", {
  id: required(1, uint32),
  flags: required(2, uint32),
  owner: required(4, owner),
  watches: repeated(5, watch),
});

/** One of its files is there, as `type` says; the types that are refused anyway stand without their content. */
export const fileEntry = message("file_entry", {
  type: required(1, uint32),
  id: required(2, uint32),
  regular: optional(3, regular),
  inet: optional(4, inetSocket),
  eventfd: optional(8, eventfd),
  epoll: optional(9, epoll),
  signalfd: optional(10, signalfd),
  timerfd: optional(12, timerfd),
  inotify: optional(13, inotify),
  unix: optional(16, unixSocket),
  pipe: optional(18, pipe),
  namespace: optional(5, bytes),
  packet: optional(6, bytes),
  netlink: optional(7, bytes),
  tun: optional(11, bytes),
  fanotify: optional(14, bytes),
  external: optional(15, bytes),
  fifo: optional(17, bytes),
  tty: optional(19, bytes),
  memfd: optional(20, bytes),
  bpfMap: optional(21, bytes),
  pidfd: optional(22, bytes),
});

/** Followed by the pipe's bytes. */
export const pipeDataEntry = message("pipe_data_entry", {
  pipe: required(1, uint32),
  bytes: required(2, uint32),
  size: optional(3, uint32),
});

export const remapEntry = message("remap_file_path_entry", {
  /** The file in files.img that is not under its name any more. */
  file: required(1, uint32),
  remap: required(2, uint32),
  type: optional(3, uint32),
});

export const fsEntry = message("fs_entry", {
  cwd: required(1, uint32),
  root: required(2, uint32),
  umask: optional(3, uint32),
});

export type FdinfoEntry = Of<typeof fdinfoEntry>;
export type FileEntry = Of<typeof fileEntry>;
export type RegularEntry = Of<typeof regular>;
export type PipeEntry = Of<typeof pipe>;
export type EpollEntry = Of<typeof epoll>;
export type TimerfdEntry = Of<typeof timerfd>;
export type InotifyEntry = Of<typeof inotify>;
export type PipeDataEntry = Of<typeof pipeDataEntry>;
export type OwnerEntry = Of<typeof owner>;
export type FsEntry = Of<typeof fsEntry>;
