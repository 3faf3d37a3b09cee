/**
 * Containers as the API, the checkpoints and the services use them. This file checks and composes; the states are in
 * lifecycle.ts, the plans in plans.ts, the repair after a crash in reconcile.ts.
 */
import { ThawError } from "../common/errors.ts";
import type { AttachStreams } from "../launcher/index.ts";
import type { NetworkAttachment, Networks } from "../network/index.ts";
import { capabilityBits, chosenCapabilities, type SandboxPool } from "../sandbox/index.ts";
import { ContainerCore, type ContainersParts } from "./core.ts";
import {
  killById,
  type PlannedContainer,
  registerInstance,
  type ServiceInstance,
  startPlanned,
  unregisterInstance,
} from "./instances.ts";
import { readLog } from "./logs.ts";
import { checkNetworks, choosePorts, namesOf, withNetwork, withoutNetwork } from "./network.ts";
import { startFailure } from "./outcome.ts";
import type { ContainerPlace } from "./place.ts";
import { ALONE, type ContainerNetwork, type ContainerPlan, filterOf, lowersOf, startOf } from "./plans.ts";
import { reconcileContainers } from "./reconcile.ts";
import type {
  Attachment,
  Container,
  ContainerManager,
  ContainerResources,
  ContainerSpec,
  LogRecord,
  RemoveOptions,
} from "./types.ts";
import type { ContainerVolumes } from "./volumes.ts";

const SIGKILL = 9;
const SIGTERM = 15;
/** As Docker has it. */
const STOP_SECONDS = 10;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const LAST_SIGNAL = 64;

/** The containers of one daemon. */
export class Containers implements ContainerManager {
  readonly #core: ContainerCore;
  readonly #stopListening: () => void;

  constructor(parts: ContainersParts) {
    this.#core = new ContainerCore(parts);
    this.#stopListening = parts.launcher.onEvent((event) => this.#core.lifecycle.handle(event));
  }

  /** Stops following the launcher; resolves when removals under way are done. Containers go on. */
  async close(): Promise<void> {
    this.#stopListening();
    this.pool?.close();
    await this.networks.close();
    await this.#core.settled();
    this.#core.store.flush();
  }

  /** Where the files of a container are. */
  place(id: string): ContainerPlace {
    return this.#core.place(id);
  }

  /** The volumes that containers have, or could have. */
  get volumes(): ContainerVolumes {
    return this.#core.volumes;
  }

  /** Sandboxes made ahead. */
  get pool(): SandboxPool | undefined {
    return this.#core.pool;
  }

  get networks(): Networks {
    return this.#core.networks;
  }

  get resources(): ContainerResources {
    return this.#core.resources;
  }

  async create(spec: ContainerSpec): Promise<Container> {
    const ports = await choosePorts(spec.ports);
    return this.volumes.with({ ...spec, ports }, (ready) => this.#core.insert(ready, undefined));
  }

  async start(idOrName: string): Promise<Container> {
    const container = this.get(idOrName);
    if (container.state === "running" || container.service !== undefined) throw wrongState(container, "started");
    const planOf = (network: ContainerNetwork) => this.startPlan(container.spec, container.id, network);
    return this.#core.run(container, planOf, (event) => startFailure(container, event));
  }

  /** What a container of this spec may do on this machine. @throws ThawError INVALID for its profile. */
  async confinement(spec: ContainerSpec) {
    const isolation = spec.isolation ?? {};
    const filter = await filterOf(spec, this.#core.filters);
    return {
      capabilities: capabilityBits(chosenCapabilities(isolation)),
      noNewPrivs: isolation.noNewPrivileges !== false,
      filter: filter?.filter,
    };
  }

  /** The plan that starts a container of this spec under an id. @throws ThawError INVALID for its user or profile. */
  async startPlan(spec: ContainerSpec, id: string, network: ContainerNetwork = ALONE): Promise<ContainerPlan> {
    const filter = await filterOf(spec, this.#core.filters);
    return startOf(spec, this.place(id), this.#core.parts.cgroups, filter, network);
  }

  /**
   * Makes a container and runs a given plan as it. Resolves when the plan ran; when it fails nothing is left.
   * @throws ThawError as `create`, and what `onFailed` (or else START_FAILED) says.
   */
  async startPlanned(planned: PlannedContainer): Promise<Container> {
    return startPlanned(this.#core, planned);
  }

  /**
   * Makes known a container that the launcher itself starts and ends: its row follows the launcher's events. One that
   * is known already keeps its state. @throws ThawError NAME_IN_USE, NO_SPACE.
   */
  registerInstance(instance: ServiceInstance): Container {
    return registerInstance(this.#core, instance);
  }

  /** Ends such a container when it runs, and forgets it with its files. Missing is fine. */
  async unregisterInstance(id: string): Promise<void> {
    await unregisterInstance(this.#core, id);
  }

  /** Kills what runs under an id, whether there is a row of it or not. Resolves when nothing of it is left. */
  async kill(id: string): Promise<void> {
    await killById(this.#core, id);
  }

  /** Bytes of memory that a container's cgroup holds; 0 when it does not run. */
  memoryOf(id: string): number {
    return this.#core.parts.cgroups.memoryBytes(id);
  }

  /** The lower directories of every container, instances of services included: what must not be removed. */
  lowers(): { readonly name: string; readonly lowers: readonly string[] }[] {
    return this.#core.store.all().map(({ spec }) => ({ name: spec.name, lowers: lowersOf(spec) }));
  }

  get(idOrName: string): Container {
    return this.#core.store.get(idOrName);
  }

  list(filter: { all?: boolean } = {}): Container[] {
    const visible = ({ state, service }: Container) =>
      state === "running" || (filter.all === true && service === undefined);
    return this.#core.store.all().filter(visible);
  }

  async wait(idOrName: string, signal?: AbortSignal): Promise<Container> {
    return this.#core.lifecycle.ended(this.get(idOrName), signal);
  }

  async signal(idOrName: string, signo: number): Promise<void> {
    const container = this.get(idOrName);
    if (!Number.isInteger(signo) || signo < 1 || signo > LAST_SIGNAL) {
      throw new ThawError("INVALID", `there is no signal ${signo}`, { hint: `Signals are 1 to ${LAST_SIGNAL}.` });
    }
    if (container.state !== "running") throw wrongState(container, "sent a signal");
    await this.#core.parts.launcher.request({ kind: "signal", id: container.id, signo });
    // A paused one could not come to its end. Any other signal waits for `unpause`.
    const { stopSignal = SIGTERM } = container.spec.isolation ?? {};
    if (signo === SIGKILL || signo === stopSignal) await this.#core.resources.release(container.id);
  }

  async stop(idOrName: string, timeoutMs?: number, signo?: number): Promise<void> {
    const container = this.get(idOrName);
    if (container.state !== "running") return;
    const { stopSignal = SIGTERM, stopTimeout = STOP_SECONDS } = container.spec.isolation ?? {};
    const limit = timeoutMs ?? (stopTimeout < 0 ? Number.POSITIVE_INFINITY : stopTimeout * 1000);
    const { lifecycle, parts } = this.#core;
    const ended = lifecycle.ended(container);
    // It may have ended by itself just now.
    await parts.launcher.request({ kind: "signal", id: container.id, signo: signo ?? stopSignal }).catch(() => {});
    await this.#core.resources.release(container.id);
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    // A timer cannot be set for longer.
    const timer = limit > LONGEST_TIMER_MS ? undefined : setTimeout(() => resolve("late"), Math.max(0, limit));
    const first = await Promise.race([ended, late]);
    clearTimeout(timer);
    if (first === "late") await this.#core.killAndWait(container);
  }

  async remove(idOrName: string, options: RemoveOptions = {}): Promise<void> {
    const container = this.get(idOrName);
    if (container.service !== undefined) throw wrongState(container, "removed: `thaw down` removes services");
    if (container.state === "running" || this.#core.lifecycle.isStarting(container.id)) {
      if (options.force !== true) throw wrongState(container, "removed");
      await this.#core.killAndWait(container);
    }
    this.#core.discard(container, options.volumes ?? container.spec.autoRemove);
    await this.#core.settled();
  }

  async attach(idOrName: string, streams: AttachStreams): Promise<Attachment> {
    return this.#core.attachments.attach(this.get(idOrName).id, streams);
  }

  async resize(idOrName: string, rows: number, cols: number): Promise<void> {
    const container = this.get(idOrName);
    if (!container.spec.tty) throw new ThawError("WRONG_STATE", `${container.spec.name} has no terminal to resize`);
    await this.#core.parts.launcher.request({ kind: "resize", id: container.id, rows, cols });
  }

  logs(idOrName: string, options: { follow: boolean; tail?: number; signal?: AbortSignal }): AsyncIterable<LogRecord> {
    const container = this.get(idOrName);
    const { store, lifecycle } = this.#core;
    const ended = async () => {
      const now = store.find(container.id);
      if (now) await lifecycle.ended(now, options.signal);
    };
    return readLog(this.place(container.id).log, { ...options, ended });
  }

  async connect(idOrName: string, attachment: NetworkAttachment): Promise<void> {
    const { id, spec, state } = this.get(idOrName);
    const changed = withNetwork(spec, attachment);
    checkNetworks(this.networks, changed);
    if (state === "running") await this.networks.connect(id, attachment, namesOf(id, spec));
    this.#core.store.update({ ...this.get(id), spec: changed });
  }

  async disconnect(idOrName: string, network: string): Promise<void> {
    const { id, spec, state } = this.get(idOrName);
    const changed = withoutNetwork(this.networks, spec, network);
    if (state === "running") await this.networks.disconnect(id, network);
    this.#core.store.update({ ...this.get(id), spec: changed });
  }

  onChange(listener: (container: Container) => void): () => void {
    return this.#core.lifecycle.changes.add(listener);
  }

  async reconcile(): Promise<void> {
    await reconcileContainers(this.#core);
  }
}

function wrongState({ spec, state, service }: Container, wanted: string): ThawError {
  const what = service === undefined ? `is ${state}` : `is an instance of the service ${service}`;
  const running = state === "running" && service === undefined;
  return new ThawError("WRONG_STATE", `${spec.name} ${what} and cannot be ${wanted}`, {
    hint: running ? `Stop it first: thaw stop ${spec.name}` : "`thaw ps --all` shows the states of all containers.",
  });
}
