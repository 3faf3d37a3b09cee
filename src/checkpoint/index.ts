/** Checkpoints as the rest of thaw uses them. */

export { dumpCompiler } from "./compile-dump.ts";
export { installCriu } from "./criu/install.ts";
export { locateCriu } from "./criu/locate.ts";
export type { CriuInstallation } from "./criu/verify.ts";
export { placeKdat } from "./engine/kdat.ts";
export { endLater } from "./engine/limit.ts";
export { criuErrors } from "./engine/log.ts";
export { ENGINES } from "./engine/types.ts";
export { type CheckpointDeps, Checkpoints, type ReadyCheckpoint } from "./manager.ts";
export { PageTable, type PlacedRun } from "./pages/index.ts";
export { engineOutput, sandboxCleanup } from "./plans.ts";
export type { Compiled, CompileHook } from "./seal.ts";
export { CheckpointStore } from "./store.ts";
export { type TemplateSource, type Templates, templateId } from "./templates.ts";
export type { CheckpointInfo, CheckpointManager, RestorePlan } from "./types.ts";
