/** Whether the files that are mapped are still what they were: looked up in the directories of the root. */
import { lstat } from "node:fs/promises";
import { join } from "node:path";
import { errnoOf } from "../../../common/errors.ts";
import { GENERATION, GENERATION_BYTES, HOOKS } from "../../../sandbox/index.ts";
import type { Vma } from "../process.ts";
import type { Reasons } from "./context.ts";

/** Where mapped files may be. */
export interface MappedPlace {
  /** The root's directories, the uppermost first. */
  readonly lowers: readonly string[];
  /** The directory at /dev/thaw/hooks. */
  readonly hooks: string | undefined;
}

/** Refuses mapped files that are missing in the root or have another size. */
export async function checkMappedFiles(
  vmas: readonly Vma[],
  exe: string,
  place: MappedPlace,
  reasons: Reasons,
): Promise<void> {
  const sizes = new Map<string, bigint | undefined>([[exe, undefined]]);
  for (const { kind } of vmas) if ("path" in kind) sizes.set(kind.path, kind.size);
  for (const [path, expected] of sizes) {
    const size = await sizeOf(place, path);
    if (size === undefined) reasons.refuse(`the mapped file ${path} is not in the container's root`);
    else if (expected !== undefined && size !== expected) {
      reasons.refuse(`the mapped file ${path}: expected ${expected} bytes, got ${size}`);
    }
  }
}

/** Every sandbox has a generation of its own; the hooks are the same for as long as there is a checkpoint that maps them. */
function sizeOf({ lowers, hooks }: MappedPlace, path: string): Promise<bigint | undefined> {
  if (path === GENERATION) return Promise.resolve(BigInt(GENERATION_BYTES));
  const isHook = path.startsWith(`${HOOKS}/`);
  if (!isHook) return sizeIn(lowers, path);
  return hooks === undefined ? Promise.resolve(undefined) : sizeIn([hooks], path.slice(HOOKS.length));
}

/** As overlayfs looks it up; a character device 0:0 is a whiteout. */
async function sizeIn(lowers: readonly string[], path: string): Promise<bigint | undefined> {
  for (const lower of lowers) {
    const info = await lstat(join(lower, path), { bigint: true }).catch(ignoreMissing);
    if (info === undefined) continue;
    return info.isFile() ? info.size : undefined;
  }
  return undefined;
}

function ignoreMissing(error: unknown): undefined {
  if (!["ENOENT", "ENOTDIR", "ELOOP", "ENAMETOOLONG"].includes(errnoOf(error) ?? "")) throw error;
  return undefined;
}
