/** Checkpoints as the rest of thaw uses them. */

export { installCriu } from "./criu/install.ts";
export { locateCriu } from "./criu/locate.ts";
export type { CriuInstallation } from "./criu/verify.ts";
export { criuErrors } from "./engine/log.ts";
export type { ContainerHost, SandboxPlan } from "./host.ts";
export { type CheckpointDeps, Checkpoints, type ReadyCheckpoint } from "./manager.ts";
export { CheckpointStore } from "./store.ts";
export type { CheckpointInfo, CheckpointManager, RestorePlan } from "./types.ts";
