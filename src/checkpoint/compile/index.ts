/** Compiles a dump for thaw's own restore engine, or says why that engine has to leave it to CRIU. */
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asThawError } from "../../common/errors.ts";
import { PAGE, type PageTable } from "../pages/index.ts";
import { emitTables } from "./emit.ts";
import type { Locate } from "./emit-memory.ts";
import type { PrefaultRecord } from "./generated/tables.ts";
import type { ProcessImage } from "./process.ts";
import { Refusal } from "./refusal.ts";
import { understand, type XsaveLayout } from "./understand.ts";

export interface CompileInput {
  /** The checkpoint's directory, with `images/`. */
  readonly directory: string;
  readonly mainPid: number;
  readonly stdio: readonly [string | null, string | null, string | null];
  /** Directories that the process's root is made of, top first. */
  readonly lowers: readonly string[];
  readonly xsave: XsaveLayout;
  /** The container's hooks, if it has any. */
  readonly hooks?: string | undefined;
  /** Restores the process once; see `rehearsal.ts`. */
  readonly rehearse?: Rehearse | undefined;
}

/** Tries the tables. @returns what is worth having early. @throws ThawError when the restore fails. */
export type Rehearse = (process: ProcessImage, packs: readonly string[]) => Promise<readonly PrefaultRecord[]>;

/** What was written, or why not. */
export type Emitted =
  | { readonly ok: true; readonly packs: string[]; readonly oomScore: number; readonly workingSetBytes: number }
  | { readonly ok: false; readonly refused: readonly string[] };

export type Compiled =
  | {
      readonly ok: true;
      readonly process: ProcessImage;
      /** Writes `compiled/process.tables` once it is known where the pages are. */
      readonly emit: (pages: PageTable) => Promise<Emitted>;
    }
  | { readonly ok: false; readonly refused: readonly string[]; readonly unsafe: readonly string[] };

/** Understands the images, and sees that tables can be made of them. */
export async function compileImages(input: CompileInput): Promise<Compiled> {
  const { directory, mainPid, stdio, lowers, hooks, xsave } = input;
  const context = { mainPid, stdio, rootLowers: lowers, hooks, xsave };
  const understood = await understand(join(directory, "images"), context);
  if (!understood.ok) return understood;
  const { process } = understood;
  try {
    emitTables(process, { locate: ({ offset, pages }) => [{ pack: 0, offset, pages }] });
    return { ok: true, process, emit: (pages) => emit(input, process, pages) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, refused: [error.message], unsafe: [] };
    throw error;
  }
}

async function emit(input: CompileInput, process: ProcessImage, table: PageTable): Promise<Emitted> {
  const folder = join(input.directory, "compiled");
  const packs: string[] = [];
  const locate = placed(process, table, packs);
  const huge = await hugeForWhoAsks();
  const write = async (prefault: readonly PrefaultRecord[]) =>
    writeFile(join(folder, "process.tables"), emitTables(process, { locate, huge, prefault }), { mode: 0o600 });
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await write([]);
  try {
    const prefault = (await input.rehearse?.(process, packs)) ?? [];
    if (prefault.length > 0) await write(prefault);
    const workingSetBytes = prefault.reduce(
      (sum, { bytes, write: isWritten }) => sum + (isWritten ? Number(bytes) : 0),
      0,
    );
    return { ok: true, packs, oomScore: process.oomScoreAdj, workingSetBytes };
  } catch (error) {
    await rm(folder, { recursive: true });
    return { ok: false, refused: [`a restore was tried and failed: ${asThawError(error).message}`] };
  }
}

/** Whether huge pages are for who asks for them: where they are for all nothing need be asked, and nobody gets any in "never". */
async function hugeForWhoAsks(): Promise<boolean> {
  const chosen = await readFile("/sys/kernel/mm/transparent_hugepage/enabled", "utf8").catch(() => "");
  return chosen.includes("[madvise]");
}

/** Pages where they are stored. Those of zeros are read only into mappings of files, which would show the file's. */
function placed({ vmas }: ProcessImage, table: PageTable, packs: string[]): Locate {
  const files = vmas.filter(({ kind }) => kind.is !== "anonymous");
  return ({ file, offset, pages, start }) => {
    const end = start + BigInt(pages * PAGE);
    const keepZeros = files.some((vma) => vma.start < end && start < vma.end);
    return table.runs(file, offset / PAGE, pages).map((run) => {
      if (run.zeros && !keepZeros) return { pack: undefined, pages: run.pages };
      if (!packs.includes(run.file)) packs.push(run.file);
      return { pack: packs.indexOf(run.file), offset: run.first * PAGE, pages: run.pages };
    });
  };
}
