/**
 * A CRIU that was killed leaves processes of its own in the container's pid namespace: they would be taken for the
 * container's, and no dump would ever succeed again. They are known by the file that they run, which nobody inside can
 * reach.
 */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import type { CriuProgram } from "../criu/program.ts";
import { type ContainerProcesses, containerProcesses } from "./processes.ts";

/** How long a killed process may take to be gone, ms. */
const PATIENCE_MS = 1000;
const STEP_MS = 5;

/** The processes of a container, after what an earlier dump left of itself was ended. @throws ThawError WRONG_STATE. */
export async function processesToDump(main: number, program: CriuProgram): Promise<ContainerProcesses> {
  let found = await containerProcesses(main);
  for (let waited = 0; waited < PATIENCE_MS && found.strayPids.length > 0; waited += STEP_MS) {
    const leftovers = await ofCriu(found.strayPids, program);
    if (leftovers.length === 0) return found;
    for (const pid of leftovers) endAnyway(pid);
    await Bun.sleep(STEP_MS);
    found = await containerProcesses(main);
  }
  return found;
}

async function ofCriu(pids: readonly number[], program: CriuProgram): Promise<number[]> {
  const loader = await stat(join(program.libraryDir, program.loaderName));
  const found: number[] = [];
  for (const pid of pids) {
    const exe = await stat(`/proc/${pid}/exe`).catch(() => undefined);
    if (exe?.dev === loader.dev && exe.ino === loader.ino) found.push(pid);
  }
  return found;
}

function endAnyway(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
