/**
 * A checkpoint as one file: podman's checkpoint archive (as checkpointctl documents it) with one file more, thaw.json,
 * which comes first and names everything that thaw reads of the rest, with digests.
 *
 *     thaw.json           what follows here
 *     config.dump         the container, for tools that read podman's archives
 *     spec.dump           its OCI runtime configuration, as far as there is one
 *     network.status      null
 *     deleted.files       paths that the container removed, where it removed any
 *     rootfs-diff.tar     its writable layer as an OCI layer: removed files are whiteouts in it
 *     stats-dump          CRIU's statistics
 *     checkpoint/         CRIU's images
 */
import { z } from "zod";
import { ThawError } from "../../common/errors.ts";
import { CheckpointDraft, type CheckpointManifest } from "../manifest.ts";
import { ArchivedContainer } from "./container.ts";

/** Names of the parts. */
export const PART = {
  thaw: "thaw.json",
  config: "config.dump",
  spec: "spec.dump",
  network: "network.status",
  deleted: "deleted.files",
  rootfs: "rootfs-diff.tar",
  stats: "stats-dump",
  images: "checkpoint/",
} as const;

/** Bytes of a thaw.json; one of a thousand images has a tenth of it. */
export const MOST_DESCRIPTION_BYTES = 4 * 1024 * 1024;

/** Of a checkpoint's memory and files together, bytes. */
const MOST_BYTES = 2 ** 40;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const ImageFile = z.strictObject({
  /** In `checkpoint/`. */
  name: z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}$/),
  size: z.number().int().nonnegative().max(MOST_BYTES),
  sha256: Sha256,
});

/** What the dump's maker knew that is true elsewhere, too. */
const ArchivedDraft = CheckpointDraft.omit({
  container: true,
  layers: true,
  engine: true,
  reasons: true,
  compiled: true,
});

/** That part of a manifest. */
export function archivedDraft(manifest: CheckpointManifest): z.infer<typeof ArchivedDraft> {
  return ArchivedDraft.strip().parse(manifest);
}

/** The content of thaw.json. */
export const Description = z
  .strictObject({
    version: z.literal(1),
    checkpoint: ArchivedDraft,
    container: ArchivedContainer,
    /** Diff ids of the image's layers, top first, hexadecimal. */
    layers: z.array(Sha256).max(1000),
    images: z.array(ImageFile).min(1).max(10_000),
    rootfs: z.strictObject({ size: z.number().int().nonnegative().max(MOST_BYTES), sha256: Sha256 }),
  })
  .refine(({ images }) => new Set(images.map(({ name }) => name)).size === images.length, "an image is named twice");

/** See above. */
export type Description = z.infer<typeof Description>;

/** @throws ThawError BAD_ARCHIVE; CHECKPOINT_INCOMPATIBLE for another version. */
export function parseDescription(text: string): Description {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (cause) {
    throw new ThawError("BAD_ARCHIVE", `${PART.thaw}: expected JSON`, { cause });
  }
  const version = z.object({ version: z.number() }).safeParse(content).data?.version;
  if (version !== undefined && version !== 1) {
    throw new ThawError("CHECKPOINT_INCOMPATIBLE", `the archive's version: expected 1, got ${version}`, {
      hint: "Export it with this version of thaw.",
    });
  }
  const parsed = Description.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new ThawError("BAD_ARCHIVE", `${PART.thaw}: ${z.prettifyError(parsed.error)}`, {
    hint: "The archive is damaged or was made by another program.",
  });
}
