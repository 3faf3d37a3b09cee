/**
 * CRIU's images of a container that another engine made, for a sandbox of thaw's: the namespaces are there already, so
 * the processes' own are said to be the ones that CRIU runs in. Only the pid namespace stays theirs, because the main
 * process is its pid 1 and knows that. Mounts, interfaces and host names are the sandbox's.
 */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { ThawError } from "../../common/errors.ts";
import { FRAMES } from "../images/catalog.ts";
import { decodeImage } from "../images/framing.ts";
import type { IdsEntry } from "../images/messages/process.ts";

/** What a sandbox has of its own. */
const REPLACED = [
  /^(mountpoints|ipcns-var|utsns|netns|netdev)-\d+\.img$/,
  /^(ifaddr|route|route6|rule|iptables|ip6tables|nftables|netns-ct|netns-exp)-\d+\.img$/,
  /^tmpfs-(dev-)?\d+\.tar\.gz(\.img)?$/,
];

const REFUSED: readonly { readonly name: RegExp; readonly what: string }[] = [
  { name: /^userns-\d+\.img$/, what: "a user namespace" },
  { name: /^ipcns-(shm|msg|sem)-\d+\.img$/, what: "System V shared memory, messages or semaphores" },
  { name: /^tty(-info|-data)?\.img$/, what: "a terminal" },
  { name: /^(autofs|binfmt-misc)(-\d+)?\.img$/, what: "a mount of autofs or binfmt_misc" },
  { name: /^apparmor\.img$/, what: "AppArmor policies" },
];

/** Field numbers of CRIU's task_kobj_ids_entry, and what each is called here. */
const IDS = [
  [1, "vm"],
  [2, "files"],
  [3, "fs"],
  [4, "sighand"],
  [5, "pidNamespace"],
  [6, "netNamespace"],
  [7, "ipcNamespace"],
  [8, "utsNamespace"],
  [9, "mntNamespace"],
  [10, "userNamespace"],
  [11, "cgroupNamespace"],
  [12, "timeNamespace"],
] as const satisfies readonly (readonly [number, keyof IdsEntry])[];

const SANDBOXS = new Set<string>(["netNamespace", "ipcNamespace", "utsNamespace", "mntNamespace", "cgroupNamespace"]);

/** Whether an image of that name is left out. @throws ThawError UNSUPPORTED for what the sandbox could not stand in for. */
export function isReplaced(name: string): boolean {
  const refused = REFUSED.find((one) => one.name.test(name));
  if (refused !== undefined) throw unsupported(refused.what);
  return REPLACED.some((pattern) => pattern.test(name));
}

/**
 * Makes the images in `directory` those of processes of a sandbox.
 * @throws ThawError BAD_ARCHIVE, INVALID for damaged ones, UNSUPPORTED for namespaces that are the host's, or users' own.
 */
export async function moveIntoSandbox(directory: string): Promise<void> {
  const names = await readdir(directory);
  if (!names.includes("inventory.img"))
    throw new ThawError("BAD_ARCHIVE", "the archive has no checkpoint/inventory.img");
  const inventory = await readFile(join(directory, "inventory.img"));
  const outside = decodeImage(inventory, "inventory.img", FRAMES.inventory)[0]?.entry.rootIds;
  if (outside === undefined) throw unsupported("images of a CRIU that does not say which namespaces it ran in");
  for (const name of names.filter((one) => /^ids-\d+\.img$/.test(one))) {
    const image = await readFile(join(directory, name));
    const [own] = decodeImage(image, name, FRAMES.ids);
    if (own === undefined) continue;
    await rm(join(directory, name));
    await writeFile(join(directory, name), rewritten(image, own.entry, outside), { flag: "wx", mode: 0o600 });
  }
}

function rewritten(image: Uint8Array, own: IdsEntry, outside: IdsEntry): Uint8Array {
  if (own.pidNamespace === outside.pidNamespace) throw unsupported("the host's processes around it");
  if (own.userNamespace !== outside.userNamespace) throw unsupported("a user namespace");
  if (own.timeNamespace !== outside.timeNamespace) throw unsupported("a time namespace");
  const writer = new BinaryWriter();
  for (const [field, key] of IDS) {
    const value = SANDBOXS.has(key) ? outside[key] : own[key];
    if (value !== undefined) writer.tag(field, WireType.Varint).uint32(value);
  }
  const entry = writer.finish();
  const length = Buffer.alloc(4);
  length.writeUInt32LE(entry.length);
  return Buffer.concat([image.subarray(0, 8), length, entry]);
}

function unsupported(what: string): ThawError {
  return new ThawError("UNSUPPORTED", `the archive's container has ${what}`, {
    hint: "thaw's sandboxes have no place for it: start the container with thaw and make the checkpoint here.",
  });
}
