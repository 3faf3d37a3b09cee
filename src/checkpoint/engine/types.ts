/**
 * What every restore engine is to thaw: it looks at a checkpoint and accepts it or says why not, and turns it into
 * operations for the launcher. It keeps no state and starts nothing. Engines are asked in the order of their speed;
 * the first that accepts is used, and what the faster ones said against it is shown to the user.
 */
import { ThawError } from "../../common/errors.ts";
import { show } from "../../common/show.ts";
import type { Op } from "../../launcher/generated/protocol.ts";
import type { CheckpointManifest } from "../manifest.ts";
import type { RestorePlan } from "../types.ts";

export type Assessment = { readonly ok: true } | { readonly ok: false; readonly refused: readonly string[] };

export interface RestoreOptions {
  /** Directory of the checkpoint. */
  readonly directory: string;
  /** Makes the sandbox that is restored into, ending with the holder's `ready` and `hold`. */
  readonly sandbox: readonly Op[];
  /** Undoes it when all of its processes are gone. */
  readonly cleanup: readonly Op[];
  /** Absolute file for what the engine prints. */
  readonly outputFile: string;
  /** 0 (nothing but errors) to 4 (everything). */
  readonly verbosity: number;
  /** A memory template to be cloned; without one the compiled engine reads from disk. Other engines ignore it. */
  readonly template?: { readonly template: string; readonly hold: boolean } | undefined;
  /** CRIU is to be started and then waits for a connection (`ahead` of a route). Default: it restores at once. */
  readonly ahead?: boolean | undefined;
  /** For tests of the compiled engine: the system call that shall fail. */
  readonly failAt?: number | undefined;
}

export interface RestoreEngine {
  readonly name: CheckpointManifest["engine"];
  assess(manifest: CheckpointManifest): Assessment;
  /** The plan for one restore. To be called only for what `assess` accepted. */
  compile(manifest: CheckpointManifest, options: RestoreOptions): RestorePlan;
}

/** Names of the engines there are, as THAW_RESTORE_ENGINE may ask for one of them alone; the quickest first. */
export const ENGINES = ["thaw", "criu"] as const;

/** The engines that may be used: all, or the one that was asked for. @throws ThawError INVALID when there is none of that name. */
export function allowedEngines(engines: readonly RestoreEngine[], only: string | undefined): readonly RestoreEngine[] {
  if (only === undefined || only === "") return engines;
  const found = engines.filter(({ name }) => name === only);
  if (found.length > 0) return found;
  throw new ThawError("INVALID", `THAW_RESTORE_ENGINE: expected ${ENGINES.join(" or ")}, got ${show(only)}`, {
    hint: "Start the daemon without it: the quickest engine that can is used.",
  });
}

export interface EngineChoice {
  readonly engine: RestoreEngine;
  /** What the engines before it said against the checkpoint. */
  readonly reasons: readonly string[];
  /** Slower engines that accept it, too. */
  readonly others: readonly RestoreEngine[];
}

/**
 * The first engine that accepts the checkpoint.
 * @throws ThawError CHECKPOINT_INCOMPATIBLE with every engine's reasons when none does.
 */
export function chooseEngine(engines: readonly RestoreEngine[], manifest: CheckpointManifest): EngineChoice {
  const reasons: string[] = [];
  for (const [index, engine] of engines.entries()) {
    const verdict = engine.assess(manifest);
    if (verdict.ok) return { engine, reasons, others: engines.slice(index + 1).filter((o) => o.assess(manifest).ok) };
    reasons.push(...verdict.refused.map((reason) => `${engine.name}: ${reason}`));
  }
  throw new ThawError("CHECKPOINT_INCOMPATIBLE", `no engine can restore ${manifest.name}: ${reasons.join("; ")}`, {
    hint: "Start the container cold and make the checkpoint again.",
  });
}
