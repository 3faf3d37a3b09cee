/**
 * From a dump in a private directory to a whole checkpoint: an engine may compile it, its pages get their places, and
 * a manifest with the digests of all files closes it.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import type { PrefaultRecord } from "./compile/generated/tables.ts";
import type { Emitted } from "./compile/index.ts";
import { type DigestedFile, sealFiles, syncFileSystem, treeBytes } from "./files.ts";
import { CheckpointDraft, type CheckpointFile, CheckpointManifest, MANIFEST_VERSION } from "./manifest.ts";
import { PAGE, type PackStore, PageTable, type Scans } from "./pages/index.ts";
import type { Rehearsed } from "./rehearsal.ts";
import { type CheckpointSummary, summarize } from "./summary.ts";
import { wipeUnforked } from "./wipe.ts";

/** What a faster engine made of a dump. */
export interface Compiled {
  readonly engine: CheckpointManifest["engine"];
  /** Why it is not the faster one. */
  readonly reasons: readonly string[];
  /** What it found out beyond what is counted for every checkpoint. */
  readonly summary?: Partial<CheckpointSummary>;
  /**
   * Writes files into `compiled/`. Called last, when it is known where all pages are; only pages of checkpoints whose
   * engine is not CRIU are shared. It may still refuse, and has written nothing then.
   */
  readonly emit?: (pages: PageTable) => Promise<Emitted>;
}

/** Restores a compiled process once, to see that it can be and what it needs early. */
export type Trial = (work: Rehearsed) => Promise<readonly PrefaultRecord[]>;

/**
 * Looks at a dump in `directory` while nobody else can. It may write into `compiled/` and throws a ThawError
 * CHECKPOINT_FAILED for what nobody could restore right.
 */
export type CompileHook = (directory: string, draft: CheckpointDraft, trial?: Trial) => Promise<Compiled>;

export interface SealDeps {
  readonly packs: PackStore;
  readonly compile: CompileHook;
}

/** @throws ThawError INVALID, CHECKPOINT_FAILED, NO_SPACE. */
export async function seal(
  deps: SealDeps,
  directory: string,
  id: string,
  input: CheckpointDraft,
  trial?: Trial,
): Promise<CheckpointManifest> {
  const draft = CheckpointDraft.safeParse(input);
  if (!draft.success) throw new ThawError("INVALID", `checkpoint ${input.name}: ${draft.error.message}`);
  await wipeUnforked(join(directory, "images"));
  const compiled = await deps.compile(directory, draft.data, trial);
  const counted = await summarize(join(directory, "images"));
  const { scans, digests, emitted } = await placePages(deps.packs, directory, compiled);
  const files = await sealFiles(directory, digests);
  await deps.packs.offer(directory, files, scans);
  const outcome = outcomeOf(compiled, emitted);
  const sizes = await sizesOf(directory, files);
  const manifest = CheckpointManifest.parse({
    ...draft.data,
    ...outcome,
    summary: { ...counted, ...compiled.summary, ...(emitted?.ok ? { workingSetBytes: emitted.workingSetBytes } : {}) },
    version: MANIFEST_VERSION,
    id,
    createdAt: Date.now(),
    files,
    ...sizes,
  });
  await writeFile(join(directory, "checkpoint.json"), `${JSON.stringify(manifest, undefined, 2)}\n`, { mode: 0o600 });
  await syncFileSystem(directory);
  return manifest;
}

function outcomeOf(
  { engine, reasons }: Compiled,
  emitted: Emitted | undefined,
): Pick<CheckpointManifest, "engine" | "reasons" | "compiled"> {
  if (emitted === undefined) return { engine, reasons: [...reasons] };
  if (!emitted.ok) return { engine: "criu", reasons: [...emitted.refused] };
  const { packs, oomScore } = emitted;
  return { engine, reasons: [...reasons], compiled: { packs, oomScore } };
}

/** CRIU needs its files whole; for others pages are where they were stored first. */
async function placePages(
  packs: PackStore,
  directory: string,
  compiled: Compiled,
): Promise<{ scans: Scans; digests: Map<string, DigestedFile>; emitted?: Emitted | undefined }> {
  const scans = await packs.makeSparse(directory);
  if (compiled.engine === "criu") return { scans, digests: new Map() };
  const shared = await packs.share(directory, scans);
  return { ...shared, emitted: await compiled.emit?.(await PageTable.open(directory)) };
}

async function sizesOf(directory: string, files: readonly CheckpointFile[]) {
  const table = await PageTable.open(directory);
  const pagesBytes = table.pages * PAGE;
  const others = files.filter(({ path }) => !/^(packs\/|images\/pages-)/.test(path));
  return {
    pagesBytes,
    imagesBytes: pagesBytes + others.reduce((total, { size }) => total + size, 0),
    upperBytes: await treeBytes(join(directory, "upper")),
  };
}
