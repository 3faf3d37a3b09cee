/**
 * From a checkpoint to what the launcher needs to wake a service by itself: the restore as a plan, a cold start as
 * the other way, and the clean-up of either. Both make the same container, so that its id, log and cgroups are one.
 */
import { join } from "node:path";
import type { Checkpoints, ContainerHost } from "../checkpoint/index.ts";
import type { ContainerSpec } from "../container/types.ts";
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
  readonly host: ContainerHost;
  readonly checkpoints: Checkpoints;
}

/**
 * Compiles the plans of a service.
 * @throws ThawError CHECKPOINT_NOT_FOUND, CHECKPOINT_INCOMPATIBLE, DIGEST_MISMATCH.
 */
export async function compileRoute(deps: ArmDeps, request: ArmRequest): Promise<ArmedWith> {
  const { spec, instance } = request;
  const cold = deps.host.plan(instance, request.container, { keepLayer: false, restores: false });
  const coldStart = [...cold.sandbox, ...cold.main];
  const common = {
    target: instance,
    log: cold.log,
    idleMs: spec.idleMs,
    readyMs: spec.readyTimeoutMs,
    cleanup: cold.cleanup,
  };
  if (request.checkpoint === "") {
    return { route: { ...common, wake: coldStart, fallback: [] }, engine: "cold", reasons: [] };
  }
  const ready = await deps.checkpoints.prepare(request.checkpoint);
  const { sandbox, cleanup } = deps.host.plan(instance, ready.restoredSpec, { keepLayer: false, restores: true });
  const restore = deps.checkpoints.compile(ready, {
    sandbox,
    cleanup,
    outputFile: engineLog(deps.host.directoryOf(instance)),
  });
  return {
    route: { ...common, wake: restore.plan, fallback: coldStart },
    engine: restore.engine,
    reasons: ready.choice.reasons,
  };
}

/** Where an engine's output goes: into the container's directory, which outlives a failed wake-up. */
export function engineLog(directory: string): string {
  return join(directory, "criu.log");
}
