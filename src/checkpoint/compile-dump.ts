/** What looks at every dump: thaw's own engine takes it, or says why it leaves it to CRIU. */
import { join } from "node:path";
import { xsaveLayout } from "./compile/cpu.ts";
import { compileImages, type Rehearse } from "./compile/index.ts";
import { specOf } from "./draft.ts";
import { TABLES_FILE } from "./engine/compiled.ts";
import { onTopOf } from "./plans.ts";
import { notRestorable } from "./refusals.ts";
import type { CompileHook } from "./seal.ts";

/**
 * A hook for dumps on this machine. Each of its calls throws ThawError CHECKPOINT_FAILED for what no engine restores
 * right.
 */
export function dumpCompiler(): CompileHook {
  let xsave: ReturnType<typeof xsaveLayout> | undefined;
  return async (directory, draft, trial) => {
    const { container, mainPid, stdio, containerName, clocks } = draft;
    xsave ??= xsaveLayout();
    const spec = onTopOf(specOf({ container }), join(directory, "upper"));
    const { lowers, hooks } = spec;
    const rehearse: Rehearse | undefined =
      trial &&
      ((process, packs) => {
        const files = { tables: join(directory, TABLES_FILE), packs: packs.map((path) => join(directory, path)) };
        return trial({ process, files, spec, clocks });
      });
    const compiled = await compileImages({ directory, lowers, hooks, mainPid, stdio, rehearse, xsave: await xsave });
    if (compiled.ok && draft.ownPids) return { engine: "criu", reasons: ["a pid namespace of its own"] };
    if (compiled.ok) return { engine: "thaw", reasons: [], emit: compiled.emit };
    if (compiled.unsafe.length > 0) throw notRestorable(containerName, compiled.unsafe);
    return { engine: "criu", reasons: [...compiled.refused] };
  };
}
