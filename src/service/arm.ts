/**
 * From a checkpoint to what the launcher needs to wake a service by itself: the restore as a plan, a cold start as
 * the other way, and the clean-up of either. Both make the same container, so that its id, log and cgroups are one.
 */
import { type Checkpoints, sandboxCleanup, templateId } from "../checkpoint/index.ts";
import type { Containers } from "../container/index.ts";
import type { ContainerSpec } from "../container/types.ts";
import type { Cgroups } from "../sandbox/index.ts";
import type { WakeRoute } from "./ports.ts";
import type { Tier } from "./tiers.ts";
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
  readonly tier: Tier;
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
    return { route: { ...common, ...COLD, wake: coldStart }, engine: "cold", reasons: [] };
  }
  const ready = await deps.checkpoints.prepare(request.checkpoint);
  const ahead = request.tier === "parked";
  const hasTemplate = request.tier !== "disk" && ready.choice.engine.name === "thaw";
  const template = hasTemplate ? { template: templateId(ready.manifest.id), hold: ahead } : undefined;
  const { plan: wake, engine } = deps.checkpoints.compile(ready, place, { layer: "drop", template, ahead });
  const [slower] = ready.choice.others;
  const second = slower ? deps.checkpoints.compile(ready, place, { layer: "drop", engine: slower }).plan : [];
  const wakeMs = deps.checkpoints.limitOf(request.checkpoint);
  const route = { ...common, wakeMs, ahead: ahead ? 1 : 0, wake, second, fallback: coldStart };
  return { route, engine, reasons: ready.choice.reasons };
}

const COLD = { wakeMs: 0, ahead: 0, second: [], fallback: [] };
