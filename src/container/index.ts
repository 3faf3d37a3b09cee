/** Containers: their life, output and files. types.ts has the words. */

export type { ContainersParts } from "./core.ts";
export type { PlannedContainer, ServiceInstance } from "./instances.ts";
export { LogDecoder, type LogOptions, readLog } from "./logs.ts";
export { Containers } from "./manager.ts";
export { checkName, inventName } from "./names.ts";
export { NO_NETWORK, readSpec } from "./network.ts";
export { endNote, exitCodeOf } from "./outcome.ts";
export { type ContainerPlace, containerPlace, newContainerId } from "./place.ts";
export { ALONE, type ContainerNetwork, type ContainerPlan, runOf, sandboxOf, startOf, stdioOf } from "./plans.ts";
export type * from "./types.ts";
export type { VolumeUser } from "./volumes.ts";
