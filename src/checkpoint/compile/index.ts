/** Compiles a dump for thaw's own restore engine, or says why that engine has to leave it to CRIU. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PAGE, type PageTable } from "../pages/index.ts";
import { emitTables } from "./emit.ts";
import type { Locate } from "./emit-memory.ts";
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
}

export type Compiled =
  | {
      readonly ok: true;
      readonly process: ProcessImage;
      /** Writes `compiled/process.tables` once it is known where the pages are. */
      readonly emit: (pages: PageTable) => Promise<{ packs: string[]; oomScore: number }>;
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
    return { ok: true, process, emit: (pages) => emit(directory, process, pages) };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, refused: [error.message], unsafe: [] };
    throw error;
  }
}

async function emit(directory: string, process: ProcessImage, table: PageTable) {
  const packs: string[] = [];
  const tables = emitTables(process, { locate: placed(process, table, packs) });
  await mkdir(join(directory, "compiled"), { recursive: true, mode: 0o700 });
  await writeFile(join(directory, "compiled/process.tables"), tables, { mode: 0o600 });
  return { packs, oomScore: process.oomScoreAdj };
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
