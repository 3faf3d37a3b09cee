/**
 * Linux capabilities by name. A container gets the fourteen that container engines usually give, as a bit set for the
 * `capabilities` operation; a process that is not root gets none of them but may gain them by a setuid program unless
 * no_new_privs is on.
 */

/** All there are, in the order of linux/capability.h: the place is the number. */
const NAMES = [
  "CHOWN",
  "DAC_OVERRIDE",
  "DAC_READ_SEARCH",
  "FOWNER",
  "FSETID",
  "KILL",
  "SETGID",
  "SETUID",
  "SETPCAP",
  "LINUX_IMMUTABLE",
  "NET_BIND_SERVICE",
  "NET_BROADCAST",
  "NET_ADMIN",
  "NET_RAW",
  "IPC_LOCK",
  "IPC_OWNER",
  "SYS_MODULE",
  "SYS_RAWIO",
  "SYS_CHROOT",
  "SYS_PTRACE",
  "SYS_PACCT",
  "SYS_ADMIN",
  "SYS_BOOT",
  "SYS_NICE",
  "SYS_RESOURCE",
  "SYS_TIME",
  "SYS_TTY_CONFIG",
  "MKNOD",
  "LEASE",
  "AUDIT_WRITE",
  "AUDIT_CONTROL",
  "SETFCAP",
  "MAC_OVERRIDE",
  "MAC_ADMIN",
  "SYSLOG",
  "WAKE_ALARM",
  "BLOCK_SUSPEND",
  "AUDIT_READ",
  "PERFMON",
  "BPF",
  "CHECKPOINT_RESTORE",
] as const;

/** A capability that a container may have. */
export type Capability = (typeof NAMES)[number];

/** Every capability's name, by number. */
export const CAPABILITIES: readonly Capability[] = NAMES;

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
  return names.reduce((bits, name) => bits | (1n << BigInt(NAMES.indexOf(name))), 0n);
}

/** "CAP_NET_ADMIN", "net_admin" or "all" as a name or ALL; undefined when there is no such capability. */
export function capabilityName(text: string): Capability | "ALL" | undefined {
  const name = text.toUpperCase().replace(/^CAP_/, "");
  return name === "ALL" ? "ALL" : NAMES.find((known) => known === name);
}

/** What is asked of the capabilities; names as `capabilityName` takes them. */
export interface CapabilityWishes {
  readonly privileged?: boolean | undefined;
  readonly capAdd?: readonly string[] | undefined;
  readonly capDrop?: readonly string[] | undefined;
}

/** The capabilities that come out of the wishes; unknown names are nothing. Adding wins over dropping ALL. */
export function chosenCapabilities({ privileged, capAdd = [], capDrop = [] }: CapabilityWishes): Capability[] {
  if (privileged) return [...NAMES];
  const add = new Set(capAdd.map(capabilityName));
  const drop = new Set(capDrop.map(capabilityName));
  const base = add.has("ALL") ? NAMES : drop.has("ALL") ? [] : DEFAULT_CAPABILITIES;
  return NAMES.filter((name) => (base.includes(name) && !drop.has(name)) || add.has(name));
}
