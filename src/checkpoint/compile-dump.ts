/** What looks at every dump: thaw's own engine takes it, or says why it leaves it to CRIU. */
import { join } from "node:path";
import { xsaveLayout } from "./compile/cpu.ts";
import { compileImages } from "./compile/index.ts";
import { specOf } from "./draft.ts";
import { onTopOf } from "./plans.ts";
import { notRestorable } from "./refusals.ts";
import type { CompileHook } from "./seal.ts";

/**
 * A hook for dumps on this machine. Each of its calls throws ThawError CHECKPOINT_FAILED for what no engine restores
 * right.
 */
export function dumpCompiler(): CompileHook {
  let xsave: ReturnType<typeof xsaveLayout> | undefined;
  return async (directory, { container, mainPid, stdio, containerName }) => {
    xsave ??= xsaveLayout();
    const spec = specOf({ container });
    const { lowers, hooks } = onTopOf(spec, join(directory, "upper"));
    const compiled = await compileImages({ directory, lowers, hooks, mainPid, stdio, xsave: await xsave });
    if (compiled.ok) return { engine: "thaw", reasons: [], emit: compiled.emit };
    if (compiled.unsafe.length > 0) throw notRestorable(containerName, compiled.unsafe);
    return { engine: "criu", reasons: [...compiled.refused] };
  };
}
