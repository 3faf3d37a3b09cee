/** CRIU as a restore engine: slower than thaw's own, and able to restore everything that it could dump. */
import { dirname, join } from "node:path";
import type { HostOp } from "../../launcher/generated/protocol.ts";
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
    const images = imagesFor(manifest, options);
    const plan = restorePlan({
      program: this.#program,
      sandbox: options.sandbox,
      imagesDir: images.directory,
      outputFile: options.outputFile,
      verbosity: options.verbosity,
      pidInside: manifest.mainPid,
      connections: manifest.connections ?? "close",
      terminal: manifest.terminal,
      ownPids: manifest.ownPids,
      ahead: options.ahead ?? false,
      pipes: { stdin: stdin ?? undefined, stdout: stdout ?? undefined, stderr: stderr ?? undefined },
    });
    return { engine: this.name, plan: [...images.before, ...plan], cleanup: [...options.cleanup, ...images.after] };
  }
}

/** Where CRIU finds its images: what shares pages with other checkpoints has to be put together for it first. */
function imagesFor(
  { files }: CheckpointManifest,
  options: RestoreOptions,
): { directory: string; before: HostOp[]; after: HostOp[] } {
  const paths = new Set(files.map(({ path }) => path));
  const whole = files.every(({ path }) => !path.startsWith("pages/") || paths.has(path.replace(/^pages/, "images")));
  if (whole) return { directory: join(options.directory, "images"), before: [], after: [] };
  const directory = join(dirname(options.outputFile), "images");
  const before: HostOp[] = [{ kind: "gather", checkpoint: options.directory, target: directory }];
  return { directory, before, after: [{ kind: "remove_tree", path: directory }] };
}
