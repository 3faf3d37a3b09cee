/**
 * What the container manager's parts share: the rows, the launcher, the states, and the few steps that every way to a
 * container consists of.
 */
import type { Database } from "bun:sqlite";
import { mkdirSync, rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { asThawError, ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import type { FailedMessage } from "../launcher/generated/protocol.ts";
import type { LauncherClient } from "../launcher/index.ts";
import { Networks } from "../network/index.ts";
import { type Cgroups, type PoolLimits, SandboxPool, SeccompFilters } from "../sandbox/index.ts";
import { claimAhead } from "./ahead.ts";
import { Attachments } from "./attach.ts";
import { checkSpec } from "./check.ts";
import { withIds } from "./ids.ts";
import { Lifecycle } from "./lifecycle.ts";
import { checkName, inventName } from "./names.ts";
import { checkNetworks, joinNetworks } from "./network.ts";
import type { StartFailure } from "./outcome.ts";
import { type ContainerPlace, containerPlace, newContainerId } from "./place.ts";
import { type ContainerNetwork, type ContainerPlan, runOf } from "./plans.ts";
import { PublishedPorts } from "./ports.ts";
import { Resources } from "./resources.ts";
import { ContainerStore } from "./store.ts";
import type { Container, ContainerSpec } from "./types.ts";
import { ContainerVolumes, type VolumeUser } from "./volumes.ts";

export interface ContainersParts {
  /** Takes what happens to networks that nobody waits for; stderr when not given. */
  readonly log?: (line: string) => void;
  readonly database: Database;
  readonly launcher: LauncherClient;
  /** Made ready by its owner: `cgroups.prepare()`. */
  readonly cgroups: Cgroups;
  readonly paths: Paths;
  /** Sandboxes are made ahead, within these bounds; not at all without. */
  readonly pool?: Partial<PoolLimits>;
  /** Whoever needs volumes besides the containers. */
  readonly volumeUsers?: () => readonly VolumeUser[];
}

/** The shared state and steps. */
export class ContainerCore {
  readonly parts: ContainersParts;
  readonly store: ContainerStore;
  readonly ports: PublishedPorts;
  readonly lifecycle: Lifecycle;
  readonly resources: Resources;
  readonly attachments: Attachments;
  readonly filters: SeccompFilters;
  readonly volumes: ContainerVolumes;
  readonly networks: Networks;
  readonly pool: SandboxPool | undefined;
  /** Containers that are being given their networks or started. */
  readonly #starting = new Set<string>();
  readonly #removals = new Set<Promise<void>>();

  constructor(parts: ContainersParts) {
    this.parts = parts;
    this.store = new ContainerStore(parts.database);
    this.filters = new SeccompFilters(parts.paths);
    this.ports = new PublishedPorts(parts.launcher);
    const { database, launcher, log = (line: string) => console.error("thaw:", line) } = parts;
    this.networks = new Networks({
      ...{ database, launcher, runDirectory: parts.paths.run, log },
      evict: async (network) => this.pool?.evict(network),
      holds: (id) => this.store.find(id)?.state === "running" || this.lifecycle.isStarting(id, true),
    });
    const wirer = {
      ahead: async (owner: string, network: string) => (await this.networks.joinAhead(owner, network)).wiring,
      leave: (owner: string) => this.networks.leave(owner),
    };
    this.pool = parts.pool && new SandboxPool(launcher, parts.cgroups, parts.pool, wirer);
    this.attachments = new Attachments(parts.launcher);
    const own = () => this.store.all().map(({ spec }) => ({ words: `the container ${spec.name}`, binds: spec.binds }));
    const users = () => [...own(), ...(parts.volumeUsers?.() ?? [])];
    this.volumes = new ContainerVolumes({ database: parts.database, paths: parts.paths, users });
    this.lifecycle = new Lifecycle({
      store: this.store,
      launcher: parts.launcher,
      ports: this.ports,
      leave: (id) => this.networks.leave(id),
      discard: (container) => this.discard(container),
    });
    this.resources = new Resources({ store: this.store, cgroups: parts.cgroups, lifecycle: this.lifecycle });
  }

  place(id: string): ContainerPlace {
    return containerPlace(this.parts.paths.containers, id);
  }

  /**
   * Adds a checked container. The row comes first: a directory without a row is swept up, a row without its directory
   * would be a broken container.
   * @throws ThawError NAME_IN_USE, PATH_NOT_FOUND, INVALID, NO_SPACE, UNSUPPORTED_MACHINE; nothing is left then.
   */
  insert(wanted: ContainerSpec, restoredFrom: string | undefined): Container {
    const name = wanted.name || inventName((candidate) => this.store.nameTaken(candidate));
    checkName(name);
    checkSpec(wanted);
    this.parts.cgroups.check(wanted.limits);
    checkNetworks(this.networks, wanted);
    const spec = withIds({ ...wanted, name }, this.store.all(), this.parts.paths.data);
    const container = newContainer(newContainerId(), spec, { restoredFrom, service: undefined });
    this.store.insert(container);
    const { directory } = this.place(container.id);
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      this.store.remove(container.id);
      rmSync(directory, { recursive: true, force: true });
      throw asThawError(error);
    }
    return container;
  }

  /**
   * Gives a container its networks, and runs the plan made for them as it. Resolves when all of it ran.
   * @throws as `joinNetworks` and `Lifecycle.begin`.
   */
  async run(
    container: Container,
    planOf: (network: ContainerNetwork) => Promise<ContainerPlan> | ContainerPlan,
    describe: (event: FailedMessage) => StartFailure,
  ): Promise<Container> {
    const { id, spec } = container;
    if (this.#starting.has(id)) throw new ThawError("WRONG_STATE", `${spec.name} is being started already`);
    this.#starting.add(id);
    let ahead: string | undefined;
    try {
      await this.lifecycle.finishing(id);
      ahead = this.#claim(container);
      const plan = await planOf(await joinNetworks(this.networks, container, ahead));
      return await this.lifecycle.begin(container, runOf(spec, this.place(id), plan), describe);
    } catch (error) {
      // The plan may have failed before it took it, and its address is given back now.
      if (ahead !== undefined) this.pool?.drop(ahead);
      this.attachments.end(id);
      this.networks.leave(id);
      throw error;
    } finally {
      this.#starting.delete(id);
    }
  }

  #claim(container: Container): string | undefined {
    const { networks, pool, parts } = this;
    return pool && claimAhead({ pool, networks, cgroups: parts.cgroups }, container, this.place(container.id));
  }

  /** Ids of all that have, or are being given, places in networks: containers, and sandboxes made ahead. */
  inNetworks(): Set<string> {
    const running = this.store.all().filter(({ state }) => state === "running");
    return new Set([...this.#starting, ...running.map(({ id }) => id), ...(this.pool?.placed() ?? [])]);
  }

  /** Resolves when it has ended and nothing of its sandbox is left. */
  async killAndWait(container: Container): Promise<void> {
    const ended = this.lifecycle.ended(container);
    await this.parts.launcher.request({ kind: "kill", id: container.id }).catch((error: unknown) => {
      // It may have ended by itself just now, and then there is nothing to kill.
      if (this.store.find(container.id)?.state !== "exited") throw error;
    });
    await ended;
  }

  /**
   * Its name is free at once; its row and files, and with `volumes` its nameless volumes, go when those who wait for its
   * end were told. Missing is fine.
   */
  discard(container: Container, volumes = container.spec.autoRemove): void {
    const { id } = container;
    if (!this.store.find(id)) return;
    this.store.forget(id);
    this.lifecycle.removed(container);
    const removal = new Promise((resolve) => setImmediate(resolve))
      .then(() => this.#removeAll(container, volumes))
      .catch((error: unknown) => console.error(`thaw: cannot remove the files of container ${id}:`, error))
      .then(() => {
        this.#removals.delete(removal);
      });
    this.#removals.add(removal);
  }

  async #removeAll({ id, spec }: Container, volumes: boolean): Promise<void> {
    const rowRemoved = this.#removeRow(id);
    if (volumes) await this.volumes.removeAnonymous(spec.binds);
    await rm(this.place(id).directory, { recursive: true, force: true });
    // On a full disk the row can only go once the files have.
    if (!rowRemoved) this.#removeRow(id);
  }

  #removeRow(id: string): boolean {
    try {
      this.store.remove(id);
      return true;
    } catch (error) {
      console.error("thaw:", error instanceof Error ? error.message : error);
      return false;
    }
  }

  /** Resolves when the removals under way are done. */
  async settled(): Promise<void> {
    await Promise.all(this.#removals);
  }
}

/** A container of which nothing but the wish exists. */
export function newContainer(
  id: string,
  spec: ContainerSpec,
  origin: Pick<Container, "restoredFrom" | "service">,
): Container {
  return {
    id,
    spec,
    state: "created",
    pid: 0,
    exitCode: 0,
    oomKilled: false,
    error: "",
    createdAt: Date.now(),
    startedAt: 0,
    finishedAt: 0,
    restoredFrom: origin.restoredFrom,
    service: origin.service,
  };
}
