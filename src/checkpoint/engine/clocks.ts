/**
 * The clocks of dumped processes. CRIU writes what CLOCK_MONOTONIC and CLOCK_BOOTTIME said at the moment of the dump, and
 * on restore makes a time namespace in which they go on from there. Other engines have a sandbox with such a namespace,
 * and read it here what to begin with. Who joins a container later is put into the namespace of its main process.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type ImageKind, inner, malformed, onlyMessage, varints } from "./small-image.ts";

/** Readings in nanoseconds, as decimal digits: they outgrow a JavaScript number after 104 days. */
export interface Clocks {
  readonly monotonicNs: string;
  readonly boottimeNs: string;
}

/** Magics of an ordinary image and of this one. */
const TIMENS: ImageKind = { name: "timens", magics: [0x54564319, 0x43114433] };

/** Field numbers of CRIU's timens.proto. */
const FIELD = { monotonic: 1, boottime: 2, seconds: 1, nanoseconds: 2 } as const;

/** The clocks in a directory of images; undefined when CRIU wrote none, on a kernel without time namespaces. */
export async function readClocks(imagesDir: string): Promise<Clocks | undefined> {
  const names = (await readdir(imagesDir)).filter((name) => /^timens-\d+\.img$/.test(name));
  const [name] = names;
  if (name === undefined || names.length > 1) return undefined;
  return parseClocks(await Bun.file(join(imagesDir, name)).bytes());
}

/** Decodes a `timens` image. @throws ThawError CHECKPOINT_FAILED when it is not one. */
export function parseClocks(image: Uint8Array): Clocks {
  const message = onlyMessage(TIMENS, image);
  const reading = (clock: number) => {
    const fields = varints(TIMENS, inner(TIMENS, message, clock));
    const seconds = fields.get(FIELD.seconds);
    if (seconds === undefined) throw malformed(TIMENS, `clock ${clock} has no seconds`);
    return String(seconds * 1_000_000_000n + (fields.get(FIELD.nanoseconds) ?? 0n));
  };
  return { monotonicNs: reading(FIELD.monotonic), boottimeNs: reading(FIELD.boottime) };
}
