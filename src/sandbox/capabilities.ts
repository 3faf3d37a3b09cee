/**
 * Linux capabilities by name. A container gets the fourteen that container engines usually give, as a bit set for the
 * `capabilities` operation; a process that is not root gets none of them but may gain them by a setuid program unless
 * no_new_privs is on.
 */

/** Numbers as in linux/capability.h. */
const NUMBERS = {
  CHOWN: 0,
  DAC_OVERRIDE: 1,
  FOWNER: 3,
  FSETID: 4,
  KILL: 5,
  SETGID: 6,
  SETUID: 7,
  SETPCAP: 8,
  NET_BIND_SERVICE: 10,
  NET_RAW: 13,
  SYS_CHROOT: 18,
  MKNOD: 27,
  AUDIT_WRITE: 29,
  SETFCAP: 31,
} as const;

/** A capability that a container may have. */
export type Capability = keyof typeof NUMBERS;

/** What every container gets. */
export const DEFAULT_CAPABILITIES: readonly Capability[] = [
  "CHOWN",
  "DAC_OVERRIDE",
  "FSETID",
  "FOWNER",
  "MKNOD",
  "NET_RAW",
  "SETGID",
  "SETUID",
  "SETFCAP",
  "SETPCAP",
  "NET_BIND_SERVICE",
  "SYS_CHROOT",
  "KILL",
  "AUDIT_WRITE",
];

/** The kernel's bit set of capabilities. */
export function capabilityBits(names: readonly Capability[]): bigint {
  return names.reduce((bits, name) => bits | (1n << BigInt(NUMBERS[name])), 0n);
}
