/**
 * Making, replacing and removing a service. The order is chosen so that a failure at any step leaves what was there
 * before: sockets first (a port in use shows at once), the new checkpoint beside the old one, then the switch, and
 * what is no longer needed last. While a service is replaced its sockets stay open and the old one goes on serving.
 */
import { asThawError, ThawError } from "../common/errors.ts";
import type { Container } from "../container/types.ts";
import { type ArmedWith, compileRoute } from "./arm.ts";
import { newInstance, removeInstance } from "./instance.ts";
import { afterCount, type Live, remember } from "./live.ts";
import type { ResolvedService, ServicePort } from "./ports.ts";
import { prepareCheckpoint } from "./prepare.ts";
import { specDigest } from "./spec.ts";
import type { ServiceRow } from "./store.ts";
import type { Tier } from "./tiers.ts";
import type { ServiceSpec } from "./types.ts";
import type { ServiceWorld } from "./world.ts";

type Progress = (line: string) => void;

/**
 * Brings a service to what `spec` says. With `again` its checkpoint is made anew even when nothing changed.
 * @throws ThawError PORT_IN_USE, IMAGE_NOT_FOUND, NOT_READY, START_FAILED, CHECKPOINT_FAILED, NO_SPACE.
 */
export async function changeService(
  world: ServiceWorld,
  id: string,
  spec: ServiceSpec,
  progress: Progress,
  options: { again?: boolean } = {},
): Promise<void> {
  const resolved = await world.resolve(spec);
  const digest = specDigest(spec, resolved.imageId);
  const old = world.live.get(id);
  if (old && !options.again && old.row.digest === digest && old.row.prepared && old.life.state !== "failed") {
    progress("unchanged");
    return;
  }
  const live = old ?? { row: firstRow(id, spec, digest, newInstance()), life: { state: "preparing" } as const };
  await listen(world, live, old, spec.ports);
  try {
    await replace(world, live, { spec, resolved, digest, gently: options.again ?? false }, progress);
  } catch (error) {
    await undo(world, live, old, spec.ports).catch((failure) => {
      // What is left over is seen by the next `reconcile`; the first error is the one to tell.
      world.log?.(`${id}: ${asThawError(failure).message}`);
    });
    throw error;
  }
}

/** Takes everything of a service away; harmless when there is none. */
export async function removeService(world: ServiceWorld, id: string): Promise<void> {
  const live = world.live.get(id);
  if (!live) return;
  await world.gateway.close(id, live.row.spec.ports);
  await removeInstance(world, live.row.instance);
  world.live.delete(id);
  world.store.remove(id);
  await removeCheckpoint(world, live.row.checkpoint);
  world.happen(live, { kind: "remove" });
}

/**
 * Tells the launcher what to wake; a checkpoint that cannot be restored here gives way to cold starts.
 * @returns what it was armed with, and whether the checkpoint has to be made anew.
 */
export async function arm(
  world: ServiceWorld,
  row: ServiceRow,
  resolved: ResolvedService,
): Promise<{ row: ServiceRow; stale: boolean }> {
  const common = { spec: row.spec, container: instanceSpec(row, resolved), instance: row.instance };
  const request = { ...common, tier: "disk" } as const;
  let armed: ArmedWith;
  let stale = false;
  let { reasons } = row;
  try {
    armed = await compileRoute(world, { ...request, checkpoint: row.checkpoint });
    reasons = armed.reasons;
  } catch (error) {
    if (!(error instanceof ThawError) || row.checkpoint === "") throw error;
    stale = true;
    reasons = remember(reasons, error.message);
    armed = await compileRoute(world, { ...request, checkpoint: "" });
  }
  const restoredFrom = row.checkpoint === "" || stale ? undefined : row.checkpoint;
  const { id, instance } = row;
  await freeName(world, id, instance);
  world.containers.registerInstance({
    id: instance,
    service: id,
    spec: request.container,
    ...(restoredFrom === undefined ? {} : { restoredFrom }),
  });
  await world.gateway.arm(id, row.spec.ports, armed.route);
  return { row: { ...row, engine: armed.engine, tier: "disk", reasons }, stale };
}

/** Has the launcher wake a service out of another tier from now on; what is awake goes on. */
export async function armInTier(world: ServiceWorld, live: Live, tier: Tier): Promise<void> {
  const { row } = live;
  const container = instanceSpec(row, await world.resolve(row.spec));
  const { spec, instance, checkpoint } = row;
  const { route } = await compileRoute(world, { spec, container, instance, checkpoint, tier });
  await world.gateway.arm(row.id, spec.ports, route);
  world.save(live, { ...live.row, tier });
}

/** A daemon that died during a change may have left another instance under the service's name. */
async function freeName(world: ServiceWorld, id: string, instance: string): Promise<void> {
  const other = named(world, id);
  if (other?.service === id && other.id !== instance) await removeInstance(world, other.id);
}

function named(world: ServiceWorld, name: string): Container | undefined {
  try {
    const found = world.containers.get(name);
    return found.spec.name === name ? found : undefined;
  } catch (error) {
    if (asThawError(error).code === "CONTAINER_NOT_FOUND") return undefined;
    throw error;
  }
}

async function listen(
  world: ServiceWorld,
  live: Live,
  old: Live | undefined,
  ports: readonly ServicePort[],
): Promise<void> {
  await world.gateway.listen(live.row.id, ports);
  if (old) return;
  try {
    world.save(live, live.row);
  } catch (error) {
    await world.gateway.close(live.row.id, ports);
    throw error;
  }
  world.live.set(live.row.id, live);
}

interface Wanted {
  readonly spec: ServiceSpec;
  readonly resolved: ResolvedService;
  readonly digest: string;
  /** What is awake may serve its connections to their end. */
  readonly gently: boolean;
}

async function replace(world: ServiceWorld, live: Live, wanted: Wanted, progress: Progress): Promise<void> {
  const before = live.row;
  const { spec, digest, resolved } = wanted;
  world.happen(live, { kind: "prepare" });
  const generation = before.generation + 1;
  const checkpoint = spec.checkpoint.when === "never" ? "" : `svc-${before.id}-${generation}`;
  if (checkpoint !== "") {
    await prepareCheckpoint(world, { service: before.id, spec, container: resolved.container, checkpoint }, progress);
  }
  const instance = newInstance();
  try {
    if (before.prepared) await stepAside(world, before, wanted);
    await takeOver(world, live, { spec, digest, checkpoint, generation, instance, error: "" }, resolved);
  } catch (error) {
    await removeInstance(world, instance);
    await removeCheckpoint(world, checkpoint);
    throw error;
  }
  progress("asleep");
  await removeCheckpoint(world, before.checkpoint);
}

/** Ends the old instance; connections at the sockets that stay queue from here on. */
async function stepAside(world: ServiceWorld, old: ServiceRow, { spec, gently }: Wanted): Promise<void> {
  if (gently) await world.gateway.sleep(old.id, old.spec.ports, false);
  const kept = old.spec.ports.filter((port) => spec.ports.some((other) => sameAddress(port, other)));
  await world.gateway.disarm(old.id, kept);
  await world.gateway.close(
    old.id,
    old.spec.ports.filter((port) => !kept.includes(port)),
  );
  await removeInstance(world, old.instance);
}

async function takeOver(world: ServiceWorld, live: Live, changes: Partial<ServiceRow>, resolved: ResolvedService) {
  const counter = (await world.gateway.status()).get(live.row.id)?.wakes ?? 0;
  const { row } = await arm(world, { ...live.row, ...changes }, resolved);
  // Wake-ups that were counted while this was prepared are in the live row alone.
  const { wakes, wakesSeen, lastWake } = live.row;
  world.save(live, { ...afterCount({ ...row, wakes, wakesSeen, lastWake }, counter), prepared: true });
  world.happen(live, { kind: "armed" });
}

/** After a failure: a new service is gone, an old one is as it was. */
async function undo(
  world: ServiceWorld,
  live: Live,
  old: Live | undefined,
  ports: readonly ServicePort[],
): Promise<void> {
  if (!old) return removeService(world, live.row.id);
  const added = ports.filter((port) => !live.row.spec.ports.some((own) => sameAddress(port, own)));
  await world.gateway.close(live.row.id, added);
  const status = (await world.gateway.status()).get(live.row.id);
  if (status && status.target === live.row.instance && status.report !== "unrouted") {
    world.happen(live, { kind: "armed" });
    world.happen(live, { kind: "listener", report: status.report });
    return;
  }
  await rearmOld(world, live);
}

/** The switch itself failed: the old service was taken down already and is armed again. */
async function rearmOld(world: ServiceWorld, live: Live): Promise<void> {
  try {
    const { row } = await arm(world, live.row, await world.resolve(live.row.spec));
    world.save(live, row);
    world.happen(live, { kind: "armed" });
  } catch (error) {
    world.happen(live, { kind: "broken", error: error instanceof Error ? error.message : String(error) });
  }
}

export function sameAddress(a: ServicePort, b: ServicePort): boolean {
  return a.hostAddress === b.hostAddress && a.hostPort === b.hostPort;
}

export async function removeCheckpoint(world: ServiceWorld, name: string): Promise<void> {
  const id = world.checkpoints.idOf(name);
  if (id === undefined) return;
  await world.checkpoints
    .remove(name)
    // A container that was restored from it may need its files, and nobody its memory.
    .catch(() => world.checkpoints.templates.stop(id))
    .catch(() => {});
}

/** The container that an awake service is; named after the service. */
function instanceSpec(row: ServiceRow, { container }: ResolvedService) {
  return { ...container, name: row.id, ports: [], autoRemove: false };
}

function firstRow(id: string, spec: ServiceSpec, digest: string, instance: string): ServiceRow {
  const fresh = { checkpoint: "", generation: 0, prepared: false, engine: "", reasons: [], error: "" };
  const rest = { tier: "disk", fallbacks: 0 } as const;
  return { id, spec, digest, instance, ...fresh, ...rest, wakes: 0, wakesSeen: 0, lastWake: undefined };
}
