/**
 * What a checkpoint consists of, as its `checkpoint.json` says it. The file names its format's version
 * and refuses fields that it does not know, so that an old thaw never half-understands a newer
 * checkpoint.
 */
import { z } from "zod";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import { MachineFacts } from "./facts.ts";
import { CheckpointSummary } from "./summary.ts";

/** The format of `checkpoint.json` that this thaw writes and reads. */
export const MANIFEST_VERSION = 1;

/** A checkpoint's name as users give it. */
export const CheckpointName = z
  .string()
  .max(128, "expected at most 128 characters")
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/, "expected letters, digits, '_', '.', '-', the first a letter or digit");

/** A checkpoint's id: 32 hexadecimal digits. */
export const CheckpointId = z.string().regex(/^[0-9a-f]{32}$/, "expected 32 hexadecimal digits");

/** Where a file may be in a checkpoint's directory: what is listed is verified, what is not is not read. */
const FilePath = z.string().regex(/^((images|compiled|pages)\/[A-Za-z0-9_][A-Za-z0-9_.-]*|packs\/[0-9a-f]{64})$/);

const Bytes = z.number().int().nonnegative();

/** A file of a checkpoint. */
const CheckpointFile = z.strictObject({ path: FilePath, size: Bytes, sha256: z.string().regex(/^[0-9a-f]{64}$/) });

/** A pipe as /proc/PID/fd names it ("pipe:[4711]"), or null where the descriptor is none. */
const StdioPipe = z
  .string()
  .regex(/^pipe:\[\d+\]$/)
  .nullable();

/** A clock's reading in nanoseconds, which may be more than a number holds. */
const Nanoseconds = z.string().regex(/^\d{1,18}$/);

/** What whoever dumps has to know; the store adds the rest. */
export const CheckpointDraft = z.strictObject({
  name: CheckpointName,
  /** Reference of the image, or the root directory, of the container. */
  image: z.string(),
  containerName: z.string(),
  /** Ids of the read-only layers below the container's writable one, lowest first. */
  layers: z.array(z.string()),
  /** The container's configuration; whoever creates containers validates it. */
  container: z.record(z.string(), z.unknown()),
  facts: MachineFacts,
  /** Pid of the main process in the container's own pid namespace. */
  mainPid: z.number().int().positive(),
  /** Another engine's container: the main process is pid 1 of a pid namespace that CRIU has to make. */
  ownPids: z.boolean().optional(),
  /** Stdin, stdout and stderr of the main process, to be replaced by new pipes. */
  stdio: z.tuple([StdioPipe, StdioPipe, StdioPipe]),
  /** The terminal of its processes as CRIU names it, to be replaced by a new one. */
  terminal: z
    .string()
    .regex(/^tty\[[0-9a-f]+:[0-9a-f]+\]$/)
    .optional(),
  /** What becomes of established connections at a restore; missing: they are closed. */
  connections: z.enum(["close", "keep"]).optional(),
  /** What CLOCK_MONOTONIC and CLOCK_BOOTTIME said to the processes; they go on from there. */
  clocks: z.strictObject({ monotonicNs: Nanoseconds, boottimeNs: Nanoseconds }).optional(),
  /** The engine that restores it. */
  engine: z.enum(["criu", "thaw"]),
  /** Why no faster engine does. */
  reasons: z.array(z.string()),
  /** What the compiled engine was given besides its tables; missing where it refused. */
  compiled: z
    .strictObject({
      /** Files in the checkpoint's directory with pages, in the order in which the tables number them. */
      packs: z.array(z.string()),
      oomScore: z.number().int(),
    })
    .optional(),
  /** How long the process stood still for the dump, ms. */
  frozenMs: z.number().nonnegative(),
});

/** See above. */
export type CheckpointDraft = z.infer<typeof CheckpointDraft>;

/** The whole content of `checkpoint.json`. */
export const CheckpointManifest = CheckpointDraft.extend({
  version: z.literal(MANIFEST_VERSION),
  id: CheckpointId,
  /** Milliseconds since the epoch. */
  createdAt: z.number().int().nonnegative(),
  /** Bytes of all that was dumped and compiled, as if nothing of it was shared. */
  imagesBytes: Bytes,
  /** Bytes of the memory pages among them. */
  pagesBytes: Bytes,
  /** What the dump is made of; older thaws did not count it. */
  summary: CheckpointSummary.optional(),
  /** Bytes of the container's writable layer. */
  upperBytes: Bytes,
  files: z.array(CheckpointFile),
});

/** See above. */
export type CheckpointManifest = z.infer<typeof CheckpointManifest>;

/** See above. */
export type CheckpointFile = z.infer<typeof CheckpointFile>;

/**
 * Parses the text of a `checkpoint.json`.
 * @throws ThawError CHECKPOINT_INCOMPATIBLE for another format version, INVALID for anything else that is wrong.
 */
export function parseManifest(text: string): CheckpointManifest {
  const content = parseJson(text);
  const version = z.object({ version: z.number() }).safeParse(content).data?.version;
  if (version !== undefined && version !== MANIFEST_VERSION) {
    throw new ThawError(
      "CHECKPOINT_INCOMPATIBLE",
      `checkpoint format: expected version ${MANIFEST_VERSION}, got ${version}`,
      {
        hint: "Make the checkpoint again with this version of thaw.",
      },
    );
  }
  const parsed = CheckpointManifest.safeParse(content);
  if (parsed.success) return parsed.data;
  throw new ThawError("INVALID", `checkpoint manifest: ${z.prettifyError(parsed.error)}`, {
    hint: "The checkpoint is damaged or was made by another program; make it again.",
  });
}

/**
 * The name, when it is a valid one.
 * @throws ThawError INVALID.
 */
export function parseCheckpointName(name: string): string {
  const parsed = CheckpointName.safeParse(name);
  if (parsed.success) return parsed.data;
  const problem = parsed.error.issues[0]?.message ?? "malformed";
  throw new ThawError("INVALID", `checkpoint name ${show(name)}: ${problem}`, {
    hint: "Choose a name such as my-app.v1.",
  });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ThawError("INVALID", "checkpoint manifest: expected JSON", {
      hint: "The checkpoint is damaged; make it again.",
      cause,
    });
  }
}
