/**
 * From a dump in a private directory to a whole checkpoint: an engine may compile it, its pages get their places, and
 * a manifest with the digests of all files closes it.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import { type DigestedFile, sealFiles, syncFileSystem, treeBytes } from "./files.ts";
import { CheckpointDraft, type CheckpointFile, CheckpointManifest, MANIFEST_VERSION } from "./manifest.ts";
import { PAGE, type PackStore, PageTable, type Scans } from "./pages/index.ts";
import { type CheckpointSummary, summarize } from "./summary.ts";

/** What a faster engine made of a dump. */
export interface Compiled {
  readonly engine: CheckpointManifest["engine"];
  /** Why it is not the faster one. */
  readonly reasons: readonly string[];
  /** What it found out beyond what is counted for every checkpoint. */
  readonly summary?: Partial<CheckpointSummary>;
  /**
   * Writes files into `compiled/`. Called last, when it is known where all pages are; only pages of checkpoints whose
   * engine is not CRIU are shared. What it returns is kept in the manifest.
   */
  readonly emit?: (pages: PageTable) => Promise<CheckpointManifest["compiled"]>;
}

/**
 * Looks at a dump in `directory` while nobody else can. It may write into `compiled/` and throws a ThawError
 * CHECKPOINT_FAILED for what nobody could restore right.
 */
export type CompileHook = (directory: string, draft: CheckpointDraft) => Promise<Compiled>;

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
): Promise<CheckpointManifest> {
  const draft = CheckpointDraft.safeParse(input);
  if (!draft.success) throw new ThawError("INVALID", `checkpoint ${input.name}: ${draft.error.message}`);
  const compiled = await deps.compile(directory, draft.data);
  const summary = { ...(await summarize(join(directory, "images"))), ...compiled.summary };
  const { scans, digests, emitted } = await placePages(deps.packs, directory, compiled);
  const files = await sealFiles(directory, digests);
  await deps.packs.offer(directory, files, scans);
  const { engine, reasons } = compiled;
  const sizes = await sizesOf(directory, files);
  const manifest = CheckpointManifest.parse({
    ...draft.data,
    engine,
    reasons,
    compiled: emitted,
    summary,
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

/** CRIU needs its files whole; for others pages are where they were stored first. */
async function placePages(
  packs: PackStore,
  directory: string,
  compiled: Compiled,
): Promise<{ scans: Scans; digests: Map<string, DigestedFile>; emitted?: CheckpointManifest["compiled"] }> {
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
