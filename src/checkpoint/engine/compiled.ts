/** thaw's own engine: for what it accepted at the dump there are tables, and nothing is left to decide. */
import { join } from "node:path";
import type { CheckpointManifest } from "../manifest.ts";
import type { RestorePlan } from "../types.ts";
import { clonePlan, directPlan, type Tables } from "./compiled-plan.ts";
import type { Assessment, RestoreEngine, RestoreOptions } from "./types.ts";

export const TABLES_FILE = "compiled/process.tables";

export class CompiledEngine implements RestoreEngine {
  readonly name = "thaw";

  assess(manifest: CheckpointManifest): Assessment {
    if (manifest.files.some(({ path }) => path === TABLES_FILE)) return { ok: true };
    return { ok: false, refused: manifest.reasons.length > 0 ? manifest.reasons : ["it was not compiled"] };
  }

  compile(manifest: CheckpointManifest, options: RestoreOptions): RestorePlan {
    const { sandbox, cleanup, template, failAt = 0 } = options;
    const plan =
      template === undefined
        ? directPlan({ ...tablesOf(manifest, options.directory), ...placeOf(manifest), sandbox, failAt })
        : clonePlan({ sandbox, ...template, failAt });
    return { engine: this.name, plan, cleanup };
  }
}

/** The files of a compiled checkpoint in its directory. */
export function tablesOf(manifest: CheckpointManifest, directory: string): Tables {
  const packs = (manifest.compiled?.packs ?? []).map((path) => join(directory, path));
  return { tables: join(directory, TABLES_FILE), packs };
}

function placeOf({ mainPid, compiled }: CheckpointManifest) {
  return { pid: mainPid, oomScore: compiled?.oomScore ?? 0 };
}
