/** CRIU as a restore engine: slower than thaw's own, and able to restore everything that it could dump. */
import { join } from "node:path";
import type { CriuProgram } from "../criu/program.ts";
import type { CheckpointManifest } from "../manifest.ts";
import type { RestorePlan } from "../types.ts";
import { restorePlan } from "./criu-plan.ts";
import type { Assessment, RestoreEngine, RestoreOptions } from "./types.ts";

/** Images without which there is nothing to restore. */
const NEEDED = ["images/inventory.img", "images/pstree.img"];

export class CriuEngine implements RestoreEngine {
  readonly name = "criu";
  readonly #program: CriuProgram;

  constructor(program: CriuProgram) {
    this.#program = program;
  }

  assess(manifest: CheckpointManifest): Assessment {
    const paths = new Set(manifest.files.map((file) => file.path));
    const missing = NEEDED.filter((path) => !paths.has(path));
    return missing.length === 0 ? { ok: true } : { ok: false, refused: missing.map((path) => `${path} is missing`) };
  }

  compile(manifest: CheckpointManifest, options: RestoreOptions): RestorePlan {
    const [stdin, stdout, stderr] = manifest.stdio;
    const plan = restorePlan({
      program: this.#program,
      sandbox: options.sandbox,
      imagesDir: join(options.directory, "images"),
      outputFile: options.outputFile,
      verbosity: options.verbosity,
      pidInside: manifest.mainPid,
      connections: manifest.connections ?? "close",
      terminal: manifest.terminal,
      ahead: options.ahead ?? false,
      pipes: { stdin: stdin ?? undefined, stdout: stdout ?? undefined, stderr: stderr ?? undefined },
    });
    return { engine: this.name, plan, cleanup: options.cleanup };
  }
}
