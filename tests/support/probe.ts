/** A static program that makes system calls by number (probe.c), for tests of what a container may do. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { execOk } from "../../src/common/exec.ts";

const SOURCE = new URL("probe.c", import.meta.url).pathname;

/** Compiles the program to `path`. */
export async function makeProbe(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  await execOk(["gcc", "-O1", "-static", "-o", path, SOURCE]);
}
