/**
 * The root of a container that asked for no writable layer (`--lean`). One directory that has all mount points is bound
 * as it is, which is the cheapest root there is; more of them, or one without, are an overlay that cannot be written to.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { ChildOp } from "../launcher/generated/protocol.ts";
import { TRAY } from "./tables.ts";

/** What is mounted into every such root. */
const MOUNT_POINTS: readonly string[] = [...TRAY, "/tmp"];

/** `lowers`: top first, the last with nothing but mount points. */
export function leanRoot(lowers: readonly string[]): ChildOp {
  const [only, ...below] = lowers;
  if (only !== undefined && below.length <= 1 && MOUNT_POINTS.every((path) => isDirectory(join(only, path)))) {
    return { kind: "root_bind", path: only, readonly: 1 };
  }
  return { kind: "root_overlay", lowers, upper: "", work: "" };
}

function isDirectory(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
