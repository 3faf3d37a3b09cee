/** What CRIU's images say about the surroundings of a process: clocks, cgroups, locks. Field numbers of CRIU 4.2. */
import {
  bytes,
  int32,
  int64,
  message,
  type Of,
  optional,
  repeated,
  required,
  string,
  uint32,
  uint64,
} from "../description.ts";

const timespec = message("timespec", { sec: required(1, uint64), nsec: required(2, uint64) });

/** The clocks at the dump, as the process saw them. */
export const timensEntry = message("timens_entry", {
  monotonic: required(1, timespec),
  boottime: required(2, timespec),
});

const cgroupMember = message("cg_member_entry", {
  name: required(1, string),
  path: required(2, string),
  namespacePrefix: optional(3, uint32),
});

const cgroupSet = message("cg_set_entry", { id: required(1, uint32), members: repeated(2, cgroupMember) });

/** The directories' settings stay undecoded: a sandbox has cgroups of its own, and CRIU is told to leave them alone. */
export const cgroupEntry = message("cgroup_entry", { sets: repeated(1, cgroupSet), controllers: repeated(2, bytes) });

export const fileLockEntry = message("file_lock_entry", {
  flag: required(1, uint32),
  type: required(2, uint32),
  pid: required(3, int32),
  fd: required(4, int32),
  start: required(5, int64),
  length: required(6, int64),
});

export type TimensEntry = Of<typeof timensEntry>;
export type FileLockEntry = Of<typeof fileLockEntry>;
