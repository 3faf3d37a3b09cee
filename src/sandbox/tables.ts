/**
 * What is inside every container's /dev, /proc and /sys, as tables. Devices are made on a fresh tmpfs, never found
 * through a path of the image; paths of /proc and /sys that tell about or act on the host are hidden or read-only.
 */
import type { MountOp } from "../launcher/generated/protocol.ts";
import { hostId, type IdRange } from "./user-namespace.ts";

const NOSUID = 2n;
const NODEV = 4n;
const NOEXEC = 8n;
const RDONLY = 1n;

/** A character device of /dev. */
export interface Device {
  readonly name: string;
  readonly major: number;
  readonly minor: number;
}

/** All of them may be read and written by everyone. */
export const DEVICES: readonly Device[] = [
  { name: "null", major: 1, minor: 3 },
  { name: "zero", major: 1, minor: 5 },
  { name: "full", major: 1, minor: 7 },
  { name: "random", major: 1, minor: 8 },
  { name: "urandom", major: 1, minor: 9 },
  { name: "tty", major: 5, minor: 0 },
];

/** Symbolic links of /dev and their texts. */
export const DEVICE_LINKS: Readonly<Record<string, string>> = {
  ptmx: "pts/ptmx",
  fd: "/proc/self/fd",
  stdin: "/proc/self/fd/0",
  stdout: "/proc/self/fd/1",
  stderr: "/proc/self/fd/2",
};

function mount(fstype: string, target: string, flags: bigint, options: string): MountOp {
  return { kind: "mount", fstype, target, flags, options };
}

export const PROC: MountOp = mount("proc", "/proc", NOSUID | NODEV | NOEXEC, "");
export const SYS: MountOp = mount("sysfs", "/sys", NOSUID | NODEV | NOEXEC | RDONLY, "");
export const DEV: MountOp = mount("tmpfs", "/dev", NOSUID, "mode=755,size=64k");

/** The group that terminals belong to. */
const TTY_GROUP = 5;

/** What is mounted below /dev. */
export function devMounts(ids: IdRange | undefined): readonly MountOp[] {
  const terminals = `newinstance,ptmxmode=0666,mode=0620,gid=${hostId(TTY_GROUP, ids)}`;
  return [
    mount("devpts", "/dev/pts", NOSUID | NOEXEC, terminals),
    mount("tmpfs", "/dev/shm", NOSUID | NODEV | NOEXEC, "mode=1777,size=64m"),
    mount("mqueue", "/dev/mqueue", NOSUID | NODEV | NOEXEC, ""),
  ];
}

/** Hidden from the container. */
export const MASKED: readonly string[] = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
];

/** Visible, not writable. /sys as a whole is mounted read-only. */
export const READONLY: readonly string[] = ["bus", "fs", "irq", "sys", "sysrq-trigger"].map((name) => `/proc/${name}`);

/**
 * Read-only whatever the user asks for: CRIU reads /run/criu.kdat in the container's root and with all capabilities, so
 * nobody inside may write it, nor replace it: a mount point cannot be unlinked.
 */
export const KEPT: readonly string[] = ["/run/criu.kdat"];

/** Tells instances of one checkpoint apart: 32 hex digits and a newline, other ones in every sandbox. */
export const GENERATION = "/dev/thaw/generation";
export const GENERATION_BYTES = 33;

/** What is put together on the tray and then moved into the root. */
export const TRAY: readonly string[] = ["/proc", "/sys", "/dev"];

/**
 * Rules of the v1 devices controller: any node may be made, only these may be opened. Without them the MKNOD
 * capability would open the host's disks.
 */
export const DEVICE_RULES: readonly string[] = [
  "c *:* m",
  "b *:* m",
  ...DEVICES.map(({ major, minor }) => `c ${major}:${minor} rwm`),
  "c 5:2 rwm",
  "c 136:* rwm",
];
