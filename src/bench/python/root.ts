/**
 * The host's Python in a root of its own: the interpreter, the libraries it loads and the modules that the benchmarks'
 * programs import, each at its own path, so that a process of the host and one of a container are the same program.
 */
import { cp, mkdir, realpath } from "node:fs/promises";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ThawError } from "../../common/errors.ts";
import { exec } from "../../common/exec.ts";
import serve from "./serve.py" with { type: "text" };
import touch from "./touch.py" with { type: "text" };

/** Where the programs are in the root, and on the host below the directory that was given. */
export const PROGRAMS = { touch: "/app/touch.py", serve: "/app/serve.py" } as const;

export interface PythonRoot {
  readonly directory: string;
  /** The interpreter, by the same path inside and outside. */
  readonly python: string;
}

/** Without site packages and user settings: it starts alike everywhere. */
export const PYTHON_OPTIONS: readonly string[] = ["-I", "-S"];

/** Debian's own before whatever else is in the path, which may be a script that chooses one. */
const CANDIDATES = ["/usr/bin/python3", "python3"];

/** Lists what a process has loaded that has imported all that the programs import. */
const INVENTORY = `
import encodings.idna, http.server, json, os, re, socket, sys, threading, time
files = [f for m in list(sys.modules.values()) for f in (getattr(m, "__file__", None), getattr(m, "__cached__", None)) if f]
maps = [line.split()[-1] for line in open("/proc/self/maps") if line.split()[-1].startswith("/")]
print(json.dumps({"python": os.path.realpath(sys.executable), "files": [f for f in {*files, *maps} if os.path.isfile(f)]}))
`;

const inventorySchema = z.object({ python: z.string(), files: z.array(z.string()) });

/** Makes the root at `directory`. @throws ThawError DEPENDENCY_MISSING without a Python 3. */
export async function makePythonRoot(directory: string): Promise<PythonRoot> {
  const { python, files } = await takeInventory();
  for (const name of ["proc", "dev", "sys", "tmp", "etc", "run", "app"])
    await mkdir(join(directory, name), { recursive: true });
  // By the names that the loader looks for, which are links to the files that are mapped.
  const { stdout } = await exec(["ldd", python, ...files.filter((file) => /\.so(\.|$)/.test(file))]);
  const libraries = [...stdout.matchAll(/^\t(?:\S+ => )?(\/\S+) \(0x/gm)].map(([, path = ""]) => path);
  for (const path of new Set([python, ...files, ...libraries])) {
    await mkdir(dirname(join(directory, path)), { recursive: true });
    // A module's compiled form names the time of its source.
    await cp(await realpath(path), join(directory, path), { preserveTimestamps: true });
  }
  await writePrograms(directory);
  return { directory, python };
}

async function writePrograms(directory: string): Promise<void> {
  await Bun.write(join(directory, PROGRAMS.touch), touch);
  await Bun.write(join(directory, PROGRAMS.serve), serve);
}

async function takeInventory(): Promise<z.output<typeof inventorySchema>> {
  for (const candidate of CANDIDATES) {
    const path = Bun.which(candidate);
    if (path === null) continue;
    const { exitCode, stdout } = await exec([path, ...PYTHON_OPTIONS, "-c", INVENTORY]);
    if (exitCode === 0) return inventorySchema.parse(JSON.parse(stdout));
  }
  throw new ThawError("DEPENDENCY_MISSING", "this benchmark measures Python processes, and there is no python3 here", {
    hint: "Install it (apt-get install python3), then try again.",
  });
}
