/**
 * What is done to a running container through its cgroups: pausing, changing limits, looking at what it uses. The
 * kernel is asked directly, not through the launcher: some of it waits, and the launcher must not. What one container
 * is asked at the same time happens one after the other.
 */
import { ThawError } from "../common/errors.ts";
import {
  type CgroupStats,
  type Cgroups,
  cgroupPids,
  changeLimits,
  freeze,
  isFrozen,
  readStats,
  thaw,
} from "../sandbox/index.ts";
import type { Lifecycle } from "./lifecycle.ts";
import { type ContainerProcess, readProcesses } from "./processes.ts";
import type { ContainerStore } from "./store.ts";
import type { Container, ContainerResources, Limits } from "./types.ts";

export interface ResourceParts {
  readonly store: ContainerStore;
  readonly cgroups: Cgroups;
  readonly lifecycle: Lifecycle;
}

/** Pausing, limits and statistics of containers. */
export class Resources implements ContainerResources {
  readonly #parts: ResourceParts;
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(parts: ResourceParts) {
    this.#parts = parts;
  }

  pause(idOrName: string): Promise<void> {
    return this.#alone(idOrName, async (container) => {
      if (container.paused) throw wrongState(container, "is paused already");
      await freeze(this.#parts.cgroups, container.id);
      this.#noted(container.id, true);
    });
  }

  unpause(idOrName: string): Promise<void> {
    return this.#alone(idOrName, async (container) => {
      if (!container.paused) throw wrongState(container, "is not paused");
      await thaw(this.#parts.cgroups, container.id);
      this.#noted(container.id, false);
    });
  }

  /** Lets a paused container go on, to the end that it was just told to come to. Any other is fine. */
  async release(id: string): Promise<void> {
    if (!isFrozen(this.#parts.cgroups, id)) return;
    await thaw(this.#parts.cgroups, id);
    this.#noted(id, false);
  }

  update(idOrName: string, changes: Partial<Limits>): Promise<Container> {
    const { store, cgroups, lifecycle } = this.#parts;
    return this.#alone(
      idOrName,
      async (container) => {
        if (lifecycle.isStarting(container.id)) throw wrongState(container, "is just being started");
        const limits = merged(container.spec.limits, changes);
        cgroups.check(limits);
        const before = container.spec;
        if (container.state === "running") await changeLimits(cgroups, container.id, limits);
        // It may have ended meanwhile: what it is now, with the new limits.
        const changed = { ...(store.find(container.id) ?? container), spec: { ...before, limits } };
        if (!lifecycle.record(changed) && container.state === "running") {
          await changeLimits(cgroups, container.id, { ...limits, ...before.limits }).catch(() => {});
          lifecycle.record({ ...changed, spec: before });
          throw new ThawError("NO_SPACE", `the new limits of ${before.name} cannot be recorded`, {
            hint: "Nothing was changed. Free disk space and try again.",
          });
        }
        return changed;
      },
      ["created", "running", "exited"],
    );
  }

  stats(idOrName: string): Promise<CgroupStats> {
    return readStats(this.#parts.cgroups, this.#parts.store.get(idOrName).id);
  }

  async processes(idOrName: string): Promise<ContainerProcess[]> {
    const container = this.#parts.store.get(idOrName);
    if (container.state !== "running") throw wrongState(container, `is ${container.state}`);
    return readProcesses(await cgroupPids(this.#parts.cgroups, container.id));
  }

  #noted(id: string, paused: boolean): void {
    const container = this.#parts.store.find(id);
    if (container?.state === "running") this.#parts.lifecycle.record({ ...container, paused });
  }

  /** After what was asked before. */
  async #alone<T>(
    idOrName: string,
    work: (container: Container) => Promise<T>,
    states: readonly Container["state"][] = ["running"],
  ): Promise<T> {
    const { store } = this.#parts;
    const { id } = store.get(idOrName);
    const mine = (this.#last.get(id) ?? Promise.resolve()).then(async () => {
      const container = store.get(id);
      if (container.service !== undefined) {
        throw wrongState(container, `is an instance of the service ${container.service}`);
      }
      if (!states.includes(container.state)) throw wrongState(container, `is ${container.state}`);
      return work(container);
    });
    const settled = mine.then(
      () => {},
      () => {},
    );
    this.#last.set(id, settled);
    void settled.then(() => this.#last.get(id) === settled && this.#last.delete(id));
    return mine;
  }
}

/** What was asked replaces what was there; CPU time is said in one of two ways. */
function merged(before: Limits, changes: Partial<Limits>): Limits {
  const asked = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  const limits: Limits = { ...before, ...asked };
  if (changes.nanoCpus !== undefined) return { ...limits, cpuPeriod: undefined, cpuQuota: undefined };
  if (changes.cpuPeriod !== undefined || changes.cpuQuota !== undefined) return { ...limits, nanoCpus: undefined };
  return limits;
}

function wrongState({ spec }: Container, what: string): ThawError {
  return new ThawError("WRONG_STATE", `${spec.name} ${what}`, {
    hint: "`thaw ps --all` shows the states of all containers.",
  });
}
