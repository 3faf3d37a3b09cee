/** A program that brings itself into a named state and waits there (states.c), for tests of what is dumped of it. */
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { execOk } from "../../src/common/exec.ts";

const SOURCE = new URL("states.c", import.meta.url).pathname;

/** Where it is in the root. */
export const STATES_PATH = "/states";

/** Compiles the program into `root`, with the libraries that it loads. */
export async function makeStates(root: string): Promise<void> {
  const program = join(root, STATES_PATH);
  await execOk(["gcc", "-O1", "-o", program, SOURCE, "-lpthread"]);
  for (const [, library = ""] of (await execOk(["ldd", program])).matchAll(/(\/\S+) \(0x/g)) {
    await mkdir(dirname(join(root, library)), { recursive: true });
    await copyFile(library, join(root, library));
  }
}
