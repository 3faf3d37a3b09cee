/**
 * What checkpoints need of containers beyond `ContainerManager`: the parts of a container's sandbox as plans, and a
 * container that begins as somebody else's memory.
 */
import type { Container, ContainerSpec } from "../container/types.ts";
import type { Op } from "../launcher/generated/protocol.ts";

/** A sandbox as data. */
export interface SandboxPlan {
  /** Operations up to and with the holder's `hold`. */
  readonly sandbox: readonly Op[];
  /** The main process of a cold start, to be appended to `sandbox`. */
  readonly main: readonly Op[];
  readonly cleanup: readonly Op[];
  /** File that takes the container's output. */
  readonly log: string;
}

export interface PlanOptions {
  /** The writable layer outlives the processes, until the container is removed. */
  readonly keepLayer: boolean;
  /** The lower layers have the files that thaw writes into /etc already. */
  readonly restores: boolean;
}

export interface ContainerHost {
  get(idOrName: string): Container;
  /** A container's own directory, with its log. */
  directoryOf(id: string): string;
  /** The directory that is its writable layer. */
  upperOf(id: string): string;
  /** An id that no container has. */
  newId(): string;
  /** The plans of a container `id`, which need not exist yet. */
  plan(id: string, spec: ContainerSpec, options: PlanOptions): SandboxPlan;
  /**
   * Makes a container out of a plan and runs it. Resolves when it runs; when it fails nothing is left.
   * @throws ThawError NAME_IN_USE, RESTORE_FAILED.
   */
  runPlan(run: {
    readonly id: string;
    readonly spec: ContainerSpec;
    readonly restoredFrom: string;
    readonly plan: readonly Op[];
    readonly cleanup: readonly Op[];
  }): Promise<Container>;
  /** Kills a container, whether there is a row of it or not. Resolves when nothing of it runs. */
  kill(id: string): Promise<void>;
  /** Every container's lower directories, to know which checkpoints are in use. */
  lowers(): Iterable<{ readonly name: string; readonly lowers: readonly string[] }>;
  /** Makes a row and directory for a container that the launcher will start by itself. Harmless when there is one. */
  declareInstance(instance: {
    readonly id: string;
    readonly spec: ContainerSpec;
    readonly service: string;
    readonly restoredFrom: string | undefined;
  }): Promise<void>;
  /** Kills such a container and removes all of it. Harmless when there is none. */
  removeInstance(id: string): Promise<void>;
  /** Bytes of memory that a container's cgroup holds; 0 when it does not run. */
  memoryOf(id: string): number;
}
