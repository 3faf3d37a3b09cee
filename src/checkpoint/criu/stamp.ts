/**
 * What was found out about a packed CRIU, kept beside it, so that the next start is quick. A verdict
 * holds for the very files that were tested on the very kernel; the feature cache, which is made
 * again at every boot, for one boot.
 */
import { createHash } from "node:crypto";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomically } from "./files.ts";

const Stamp = z.object({
  /** Digest of names, sizes and modification times of all packed files. */
  fingerprint: z.string(),
  /** Release and version of the kernel that it was tested on. */
  kernel: z.string(),
  /** The boot that the feature cache belongs to. */
  bootId: z.string(),
  version: z.string(),
  loaderName: z.string(),
  /** The file of the system that this is a copy of, absent for a downloaded one. */
  origin: z.string().optional(),
  /** Why it does not work here; absent when it does. */
  refused: z.string().optional(),
});

/** See the module comment. */
export type Stamp = z.infer<typeof Stamp>;

/** The stamp in `directory`, or undefined when there is none that can be read. */
export async function readStamp(directory: string): Promise<Stamp | undefined> {
  const content: unknown = await Bun.file(stampFile(directory))
    .json()
    .catch(() => undefined);
  return Stamp.safeParse(content).data;
}

/** Keeps `stamp` in `directory`. */
export async function writeStamp(directory: string, stamp: Stamp): Promise<void> {
  await writeFileAtomically(stampFile(directory), `${JSON.stringify(stamp, undefined, 2)}\n`);
}

/** A digest that changes when any of the packed files does. */
export async function fingerprint(directory: string): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of ["bin", "lib"]) {
    for (const name of (await readdir(join(directory, folder))).sort()) {
      hash.update(`${folder}/${name} ${await fileIdentity(join(directory, folder, name))}\n`);
    }
  }
  return hash.digest("hex");
}

/** Size and modification time of a file as one string, which a replaced file does not have. */
export async function fileIdentity(path: string): Promise<string> {
  const { size, mtimeMs } = await stat(path);
  return `${size}:${mtimeMs}`;
}

/** The running kernel and boot, as stamps name them. */
export async function kernelIdentity(): Promise<{ kernel: string; bootId: string }> {
  const read = async (name: string) => (await Bun.file(`/proc/sys/kernel/${name}`).text()).trim();
  const [release, version, bootId] = await Promise.all([read("osrelease"), read("version"), read("random/boot_id")]);
  return { kernel: `${release} ${version}`, bootId };
}

const stampFile = (directory: string) => join(directory, "verified.json");
