/** What a process holds of its files beside their descriptors: locks, and signals that tell of them. */
import type { OwnerEntry } from "../../images/messages/files.ts";
import type { FileLockEntry } from "../../images/messages/machine.ts";
import type { Credentials, Descriptor, FileLock, FileOwner, OpenFile, ProcessImage } from "../process.ts";
import type { Reasons } from "./context.ts";
import type { Opened } from "./open-files.ts";

/** CRIU's kinds of locks. */
const KINDS: Readonly<Record<number, FileLock["is"]>> = { 1: "posix", 2: "whole", 4: "open" };
const LEASE = 8;
const F_RDLCK = 0;
const F_WRLCK = 1;
const MAX_OFFSET = 2n ** 63n - 1n;
const O_PATH = 0o10000000;

export const O_ASYNC = 0o20000;
/** F_OWNER_TID, F_OWNER_PID, F_OWNER_PGRP. */
const OWNER = { thread: 0, process: 1, group: 2 } as const;
const SIGNALS = 64;

interface Files {
  readonly files: readonly OpenFile[];
  readonly descriptors: readonly Descriptor[];
}

/** The locks of the process `pid`: nobody else's can be in the images of one. */
export function locksOf(
  entries: readonly FileLockEntry[],
  pid: number,
  { files, descriptors }: Files,
  reasons: Reasons,
): FileLock[] {
  return entries.flatMap(({ flag, type, fd, pid: holder, start, length: bytes }) => {
    const refuse = (why: string): [] => {
      reasons.refuse(`fd ${fd}: ${why}`);
      return [];
    };
    const is = KINDS[flag];
    const file = files[descriptors.find((one) => one.fd === fd)?.file ?? -1];
    if (flag === LEASE) return refuse("a lease");
    if (is === undefined || (type !== F_RDLCK && type !== F_WRLCK))
      return refuse(`an unknown file lock (kind ${flag}, type ${type})`);
    if (holder !== pid) return refuse(`a file lock of another process (${holder})`);
    if (file === undefined) return refuse("a lock on what is not open");
    if ((file.is !== "regular" && file.is !== "directory") || file.flags & O_PATH)
      return refuse(`a lock on a file of the kind "${file.is}"`);
    if (start < 0n || bytes < 0n || bytes > MAX_OFFSET - start) return refuse("a lock of no valid range");
    return [{ fd, is, exclusive: type === F_WRLCK, start, bytes }];
  });
}

/** An owner, and the user who set it. */
export type SetOwner = FileOwner & { readonly by: Pick<OwnerEntry, "uid" | "euid"> | undefined };

/** What is known of a file's owner before the process is: undefined when it has none. */
export function ownerOf(
  { fds, where }: Opened,
  { owner, flags }: { readonly owner: OwnerEntry; readonly flags: number },
  pid: number,
  reasons: Reasons,
): SetOwner | undefined {
  const async = (flags & O_ASYNC) !== 0;
  const [fd] = fds;
  const { signal, pidType } = owner;
  if (fd === undefined || (owner.pid === 0 && signal === 0 && !async)) return undefined;
  if (signal > SIGNALS) reasons.refuse(`${where}: signals its owner with ${signal} (F_SETSIG)`);
  if (owner.pid === 0) return { fd, is: "nobody", signal, async, by: undefined };
  const is = pidType === OWNER.process ? "process" : "group";
  if (owner.pid !== pid || (pidType !== OWNER.process && pidType !== OWNER.group)) {
    const what = pidType === OWNER.thread ? "the thread" : pidType === OWNER.group ? "the group" : "the process";
    reasons.refuse(`${where}: signals ${what} ${owner.pid} (F_SETOWN)`);
  }
  return { fd, is, signal, async, by: owner };
}

/** Refuses owners that were set by another user than the process now is: whom they may signal depends on it. */
export function checkOwners(
  owners: readonly SetOwner[],
  { files, descriptors }: Files,
  { uid, euid }: Pick<Credentials, "uid" | "euid">,
  reasons: Reasons,
): ProcessImage["owners"] {
  return owners.map(({ by, ...owner }) => {
    const file = files[descriptors.find(({ fd }) => fd === owner.fd)?.file ?? -1];
    if (file?.is === "stdio") reasons.refuse(`fd ${owner.fd}: signals the owner of a standard stream (F_SETOWN)`);
    if (by !== undefined && (by.uid !== uid || by.euid !== euid)) {
      reasons.refuse(`fd ${owner.fd}: its owner (F_SETOWN) was set by the user ${by.uid} (effective: ${by.euid})`);
    }
    return owner;
  });
}
