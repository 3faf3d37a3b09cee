/** Compiles a dump for thaw's own restore engine, or says why that engine has to leave it to CRIU. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
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
  | { readonly ok: true; readonly process: ProcessImage; readonly packs: readonly string[] }
  | { readonly ok: false; readonly refused: readonly string[]; readonly unsafe: readonly string[] };

/** Writes `compiled/process.tables`. */
export async function compileImages(input: CompileInput): Promise<Compiled> {
  const { directory, mainPid, stdio, lowers, hooks, xsave } = input;
  const context = { mainPid, stdio, rootLowers: lowers, hooks, xsave };
  const understood = await understand(join(directory, "images"), context);
  if (!understood.ok) return understood;
  const { process } = understood;
  try {
    const { packs, locate } = inImages(process);
    const tables = emitTables(process, { locate });
    await mkdir(join(directory, "compiled"), { recursive: true, mode: 0o700 });
    await writeFile(join(directory, "compiled/process.tables"), tables, { mode: 0o600 });
    return { ok: true, process, packs };
  } catch (error) {
    if (error instanceof Refusal) return { ok: false, refused: [error.message], unsafe: [] };
    throw error;
  }
}

/** Pages where CRIU left them. */
function inImages({ pages }: ProcessImage): { packs: string[]; locate: Locate } {
  const names = [...new Set(pages.map(({ file }) => file))];
  const locate: Locate = ({ file, offset, pages: count }) => [{ pack: names.indexOf(file), offset, pages: count }];
  return { packs: names.map((name) => `images/${name}`), locate };
}
