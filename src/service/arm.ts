/**
 * From a checkpoint to what the launcher needs to wake a service by itself: the restore as a plan, a cold start as
 * the other way, and the clean-up of either. Both make the same container, so that its id, log and cgroups are one.
 */
import { type Checkpoints, sandboxCleanup } from "../checkpoint/index.ts";
import type { Containers } from "../container/index.ts";
import type { ContainerSpec } from "../container/types.ts";
import type { Cgroups } from "../sandbox/index.ts";
import type { WakeRoute } from "./ports.ts";
import type { ServiceSpec } from "./types.ts";

export interface ArmedWith {
  readonly route: WakeRoute;
  /** "cold", or the engine that restores. */
  readonly engine: string;
  /** Why no faster engine does. */
  readonly reasons: readonly string[];
}

export interface ArmRequest {
  readonly spec: ServiceSpec;
  readonly container: ContainerSpec;
  /** Id of the container that an awake service is. */
  readonly instance: string;
  /** Name of a checkpoint, or "" for cold starts. */
  readonly checkpoint: string;
}

export interface ArmDeps {
  readonly containers: Containers;
  readonly cgroups: Cgroups;
  readonly checkpoints: Checkpoints;
}

/**
 * Compiles the plans of a service.
 * @throws ThawError CHECKPOINT_NOT_FOUND, CHECKPOINT_INCOMPATIBLE, DIGEST_MISMATCH.
 */
export async function compileRoute(deps: ArmDeps, request: ArmRequest): Promise<ArmedWith> {
  const { spec, instance } = request;
  const place = deps.containers.place(instance);
  const { plan: coldStart } = await deps.containers.startPlan(request.container, instance);
  const cleanup = sandboxCleanup(request.container, place, deps.cgroups, "drop");
  const common = { target: instance, log: place.log, idleMs: spec.idleMs, readyMs: spec.readyTimeoutMs, cleanup };
  if (request.checkpoint === "") {
    return { route: { ...common, wakeMs: 0, wake: coldStart, fallback: [] }, engine: "cold", reasons: [] };
  }
  const ready = await deps.checkpoints.prepare(request.checkpoint);
  const { plan, engine } = deps.checkpoints.compile(ready, place, "drop");
  const wakeMs = deps.checkpoints.limitOf(request.checkpoint);
  return { route: { ...common, wakeMs, wake: plan, fallback: coldStart }, engine, reasons: ready.choice.reasons };
}
