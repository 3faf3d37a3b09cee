/**
 * Containers whose beginning is somebody else's: restored ones, whose plan a checkpoint makes, and the instances of
 * services, which the launcher starts and ends by itself and whose rows only follow its events.
 */
import { mkdirSync } from "node:fs";
import { ThawError } from "../common/errors.ts";
import { ContainerState, type FailedMessage, opNames } from "../launcher/generated/protocol.ts";
import { type ContainerCore, newContainer } from "./core.ts";
import { startFailure } from "./outcome.ts";
import type { ContainerPlace } from "./place.ts";
import type { ContainerNetwork, ContainerPlan } from "./plans.ts";
import type { Container, ContainerSpec } from "./types.ts";

/** A container that begins with a plan of someone else's: a restore. */
export interface PlannedContainer {
  readonly spec: ContainerSpec;
  /** Name of the checkpoint. */
  readonly restoredFrom: string;
  /** Makes the plan for the place that the container got. */
  readonly plan: (
    place: ContainerPlace,
    container: Container,
    network: ContainerNetwork,
  ) => Promise<ContainerPlan> | ContainerPlan;
  /** Says what a plan that failed means. The container's directory is still there until this has resolved. */
  readonly onFailed?: (event: FailedMessage) => Promise<ThawError> | ThawError;
}

/** A container that the launcher starts by itself, by the routes of a service. */
export interface ServiceInstance {
  /** The target of the service's routes: 1-64 characters. */
  readonly id: string;
  readonly service: string;
  readonly spec: ContainerSpec;
  readonly restoredFrom?: string | undefined;
}

/** Makes a container and runs a given plan as it; when that fails nothing is left. */
export async function startPlanned(core: ContainerCore, planned: PlannedContainer): Promise<Container> {
  const container = await core.volumes.with(planned.spec, (spec) => core.insert(spec, planned.restoredFrom));
  let event: FailedMessage | undefined;
  try {
    const planOf = (network: ContainerNetwork) => planned.plan(core.place(container.id), container, network);
    return await core.run(container, planOf, (failed) => {
      event = failed;
      return startFailure(container, failed);
    });
  } catch (error) {
    // That a port is taken says nothing about what was to be started.
    const isOurs = event && opNames[event.code] !== "port_hold";
    const failure = event && isOurs && planned.onFailed ? await planned.onFailed(event) : error;
    core.discard(container);
    await core.settled();
    throw failure;
  }
}

/** Makes known an instance. One that is known already keeps its state. */
export function registerInstance(core: ContainerCore, instance: ServiceInstance): Container {
  const { id, service, restoredFrom } = instance;
  const spec = { ...instance.spec, name: instance.spec.name || id };
  const known = core.store.find(id);
  const container = { ...(known ?? newContainer(id, spec, { restoredFrom, service })), spec, restoredFrom, service };
  if (known) core.store.update(container);
  else core.store.insert(container);
  mkdirSync(core.place(id).directory, { recursive: true, mode: 0o700 });
  return container;
}

/** Ends an instance when it runs, and removes its row and files. Missing is fine. */
export async function unregisterInstance(core: ContainerCore, id: string): Promise<void> {
  await killById(core, id);
  await core.parts.launcher.request({ kind: "forget", id });
  const container = core.store.find(id);
  if (container) core.discard(container);
  await core.settled();
}

/** Kills what runs under an id, whether there is a row of it or not. Resolves when nothing of it is left. */
export async function killById(core: ContainerCore, id: string): Promise<void> {
  const { launcher } = core.parts;
  const { promise: gone, resolve, reject } = Promise.withResolvers<void>();
  const stops = [
    launcher.onReconnect(() => reject(new ThawError("LAUNCHER_FAILED", "the launcher was restarted meanwhile"))),
    launcher.onEvent((event) => {
      if ((event.kind === "exited" || event.kind === "failed") && event.id === id) resolve();
    }),
  ];
  gone.catch(() => {});
  try {
    const { containers } = await launcher.list();
    const record = containers.find((container) => container.id === id);
    if (!record || record.state > ContainerState.stopping) return;
    await launcher.request({ kind: "kill", id });
    await gone;
  } finally {
    for (const stop of stops) stop();
  }
}
