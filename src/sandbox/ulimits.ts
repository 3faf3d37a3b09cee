/** Limits of setrlimit(2) by the names that container engines use. */
import { entryOf } from "../common/table.ts";
import type { RlimitOp } from "../launcher/generated/protocol.ts";
import type { Ulimit } from "./isolation.ts";

/** Numbers as in the kernel's headers for x86-64. */
const RESOURCES: Readonly<Record<string, number>> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** The names there are. */
export const ULIMIT_NAMES: readonly string[] = Object.keys(RESOURCES);

const INFINITY = 0xffff_ffff_ffff_ffffn;

/** Operations that set the limits; unknown names are left out. */
export function rlimitOps(ulimits: readonly Ulimit[]): RlimitOp[] {
  return ulimits.flatMap(({ name, soft, hard }) => {
    const resource = entryOf(RESOURCES, name);
    return resource === undefined ? [] : [{ kind: "rlimit", resource, soft: limitOf(soft), hard: limitOf(hard) }];
  });
}

function limitOf(value: number): bigint {
  return value < 0 ? INFINITY : BigInt(value);
}
