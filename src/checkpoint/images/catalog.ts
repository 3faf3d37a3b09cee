/**
 * Which files CRIU 4.2 writes, by name: those that thaw understands, with their magic and message, and those whose
 * being there is a reason to leave the process to CRIU. A name that neither list has is an error.
 */
import type { Frame } from "./framing.ts";
import { fdinfoEntry, fileEntry, fsEntry, pipeDataEntry, remapEntry } from "./messages/files.ts";
import { cgroupEntry, fileLockEntry, timensEntry } from "./messages/machine.ts";
import { mmEntry, pagemapEntry, pagemapHead } from "./messages/memory.ts";
import { coreEntry, idsEntry, inventoryEntry, pstreeEntry, seccompEntry } from "./messages/process.ts";
import { packetEntry } from "./messages/sockets.ts";

function frame<T>(of: Frame<T>): Frame<T> {
  return of;
}

/** Frames of the images that are understood, by the names without ids. */
export const FRAMES = {
  inventory: frame({ magic: 0x58313116, message: inventoryEntry, bare: true, single: true }),
  pstree: frame({ magic: 0x50273030, message: pstreeEntry }),
  core: frame({ magic: 0x55053847, message: coreEntry, single: true }),
  ids: frame({ magic: 0x54432030, message: idsEntry, single: true }),
  mm: frame({ magic: 0x57492820, message: mmEntry, single: true }),
  pagemap: frame({ magic: 0x56084025, message: pagemapEntry }),
  fdinfo: frame({ magic: 0x56213732, message: fdinfoEntry }),
  files: frame({ magic: 0x56303138, message: fileEntry }),
  fs: frame({ magic: 0x51403912, message: fsEntry, single: true }),
  seccomp: frame({ magic: 0x64413049, message: seccompEntry, single: true }),
  cgroup: frame({ magic: 0x59383330, message: cgroupEntry, single: true }),
  timens: frame({ magic: 0x43114433, message: timensEntry, single: true }),
  pipesData: frame({ magic: 0x56453709, message: pipeDataEntry, payload: ({ bytes }) => bytes }),
  packets: frame({ magic: 0x56264026, message: packetEntry, payload: ({ length }) => length }),
  remaps: frame({ magic: 0x59133954, message: remapEntry }),
  fileLocks: frame({ magic: 0x54323616, message: fileLockEntry }),
} as const;

/** The first entry of a pagemap is another message. */
export const PAGEMAP_HEAD = pagemapHead;

/** The part of a name that tells images of one kind apart is the first group. */
export const NAMES: readonly { readonly name: RegExp; readonly kind: keyof typeof FRAMES | "pages" | "ignored" }[] = [
  { name: /^inventory\.img$/, kind: "inventory" },
  { name: /^pstree\.img$/, kind: "pstree" },
  { name: /^core-(\d+)\.img$/, kind: "core" },
  { name: /^ids-(\d+)\.img$/, kind: "ids" },
  { name: /^mm-(\d+)\.img$/, kind: "mm" },
  { name: /^pagemap-(\d+)\.img$/, kind: "pagemap" },
  { name: /^pages-(\d+)\.img$/, kind: "pages" },
  { name: /^fdinfo-(\d+)\.img$/, kind: "fdinfo" },
  { name: /^files\.img$/, kind: "files" },
  { name: /^fs-(\d+)\.img$/, kind: "fs" },
  { name: /^seccomp\.img$/, kind: "seccomp" },
  { name: /^cgroup\.img$/, kind: "cgroup" },
  { name: /^timens-(\d+)\.img$/, kind: "timens" },
  { name: /^pipes-data\.img$/, kind: "pipesData" },
  { name: /^sk-queues\.img$/, kind: "packets" },
  { name: /^remap-fpath\.img$/, kind: "remaps" },
  { name: /^filelocks\.img$/, kind: "fileLocks" },
  // Times that CRIU took: nothing of the process.
  { name: /^stats-dump$/, kind: "ignored" },
];

/** Files that say by their being there what the process has. */
export const REFUSED: readonly { readonly name: RegExp; readonly why: string }[] = [
  { name: /^ghost-file-[0-9a-f]+\.img$/, why: "a deleted file that is still in use" },
  { name: /^tcp-stream-[0-9a-f]+\.img$/, why: "an established TCP connection" },
  { name: /^(pagemap|pages)-shmem-\d+\.img$/, why: "shared memory" },
  { name: /^memfd\.img$/, why: "memory files (memfd_create)" },
  { name: /^tty(-info|-data)?\.img$/, why: "a terminal" },
  { name: /^fifo(-data)?\.img$/, why: "a named pipe" },
  { name: /^(packetsk|netlinksk)\.img$/, why: "a packet or netlink socket" },
  {
    name: /^(tunfile|ns-files|ext-files|fanotify|fanotify-mark|bpfmap-(file|data)|pidfd)\.img$/,
    why: "a special file",
  },
  { name: /^ipcns-(var|shm|msg|sem)-\d+\.img$/, why: "an IPC namespace of its own" },
  { name: /^(utsns|netns|netdev|userns|pidns|mountpoints)-\d+\.img$/, why: "a namespace of its own" },
  {
    name: /^(ifaddr|route|route6|rule|iptables|ip6tables|nftables|netns-ct|netns-exp)-\d+\.img$/,
    why: "a network namespace of its own",
  },
  { name: /^tmpfs-(dev-)?\d+\.tar\.gz(\.img)?$/, why: "a mount of its own" },
  { name: /^(autofs|binfmt-misc)(-\d+)?\.img$/, why: "a mount of its own" },
  { name: /^apparmor\.img$/, why: "AppArmor policies of its own" },
  { name: /^cpuinfo\.img$/, why: "CRIU's own check of the CPU" },
];
