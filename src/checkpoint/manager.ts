/**
 * Checkpoints: making them of running containers and containers of them. Everything that can be known before is
 * checked before anything is tried: the container's state, the machine's facts, the images' digests. How processes
 * come back is an engine's affair; here its plan is only ordered and run.
 */
import { join } from "node:path";
import { asThawError, ThawError } from "../common/errors.ts";
import type { Container, ContainerSpec } from "../container/types.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { CriuInstallation } from "./criu/verify.ts";
import { CriuEngine } from "./engine/criu.ts";
import { type Dumped, dumpStopped } from "./engine/dump.ts";
import { criuErrors } from "./engine/log.ts";
import { chooseEngine, type EngineChoice, type RestoreEngine } from "./engine/types.ts";
import { incompatibilities, type MachineFacts, machineFacts } from "./facts.ts";
import type { ContainerHost } from "./host.ts";
import type { CheckpointDraft, CheckpointManifest } from "./manifest.ts";
import type { CheckpointStore } from "./store.ts";
import type { CheckpointInfo, CheckpointManager, RestorePlan } from "./types.ts";

export interface CheckpointDeps {
  readonly client: LauncherClient;
  readonly store: CheckpointStore;
  readonly containers: ContainerHost;
  /** The CRIU of this machine. @throws ThawError DEPENDENCY_MISSING. */
  readonly criu: () => Promise<CriuInstallation>;
  /** Who needs a checkpoint, in words ("the service web"), or undefined. */
  readonly usedBy: (name: string) => string | undefined;
}

/** A checkpoint that was found fit for this machine. */
export interface ReadyCheckpoint {
  readonly manifest: CheckpointManifest;
  readonly spec: ContainerSpec;
  /** The spec with the checkpoint's writable layer on top of the image's. */
  readonly restoredSpec: ContainerSpec;
  readonly choice: EngineChoice;
}

/** What is the same for as long as the daemon runs. */
interface Machine {
  readonly criu: CriuInstallation;
  readonly facts: MachineFacts;
  readonly engines: readonly RestoreEngine[];
}

/** Errors that CRIU prints of a restore are few; they cost nothing while there are none. */
const RESTORE_VERBOSITY = 1;

export class Checkpoints implements CheckpointManager {
  readonly #deps: CheckpointDeps;
  /** Ids of checkpoints whose digests were compared in this run of the daemon. */
  readonly #verified = new Map<string, Promise<void>>();
  #machine: Promise<Machine> | undefined;

  constructor(deps: CheckpointDeps) {
    this.#deps = deps;
  }

  async create(name: string, checkpoint: string, options: { leaveRunning?: boolean } = {}): Promise<CheckpointInfo> {
    const container = this.#deps.containers.get(name);
    checkDumpable(container);
    const { criu, facts } = await this.#onMachine();
    const pending = await this.#deps.store.begin(checkpoint);
    try {
      const upper = this.#deps.containers.upperOf(container.id);
      const { client } = this.#deps;
      const stopped = await dumpStopped({ client, program: criu, container, upper, directory: pending.dir });
      const manifest = await this.#finish(container, stopped, options.leaveRunning ?? false, (dumped) =>
        this.#deps.store.commit(pending.id, draft(checkpoint, container, facts, dumped)),
      );
      return await this.#describe(manifest);
    } catch (error) {
      await this.#deps.store.discard(pending.id);
      throw error;
    }
  }

  async list(): Promise<CheckpointInfo[]> {
    return Promise.all(this.#deps.store.list().map((manifest) => this.#describe(manifest)));
  }

  async get(name: string): Promise<CheckpointInfo> {
    return this.#describe(this.#deps.store.get(name));
  }

  async remove(name: string): Promise<void> {
    const { id } = this.#deps.store.get(name);
    const user = this.#deps.usedBy(name) ?? this.#userOfLayer(join(this.#deps.store.directoryOf(id), "upper"));
    if (user !== undefined) {
      throw new ThawError("IN_USE", `${user} needs the checkpoint ${name}`, {
        hint: "Remove that first (thaw down, thaw rm).",
      });
    }
    await this.#deps.store.remove(name);
    this.#verified.delete(id);
  }

  async restore(name: string, options: { containerName?: string } = {}): Promise<Container> {
    const ready = await this.prepare(name);
    const { containers } = this.#deps;
    const id = containers.newId();
    const spec = { ...ready.restoredSpec, name: options.containerName ?? "" };
    const { sandbox, cleanup } = containers.plan(id, spec, { keepLayer: true, restores: true });
    const outputFile = join(containers.directoryOf(id), "criu.log");
    const plan = this.compile(ready, { sandbox, cleanup, outputFile });
    try {
      return await containers.runPlan({ id, spec, restoredFrom: name, plan: plan.plan, cleanup: plan.cleanup });
    } catch (error) {
      throw await restoreError(name, error, outputFile);
    }
  }

  /**
   * Finds a checkpoint, compares its facts with this machine and its files with their digests (once a run of the
   * daemon, or `verifyAgain`), and chooses its engine.
   * @throws ThawError CHECKPOINT_NOT_FOUND, CHECKPOINT_INCOMPATIBLE, DIGEST_MISMATCH, DEPENDENCY_MISSING.
   */
  async prepare(name: string, options: { verifyAgain?: boolean } = {}): Promise<ReadyCheckpoint> {
    const { store } = this.#deps;
    const manifest = store.get(name);
    const { facts, engines } = await this.#onMachine();
    const differences = incompatibilities(manifest.facts, facts);
    if (differences.length > 0) throw incompatible(name, differences);
    if (options.verifyAgain) this.#verified.delete(manifest.id);
    await this.#verify(manifest.id);
    const choice = chooseEngine(engines, manifest);
    const spec = specOf(manifest);
    const upper = join(store.directoryOf(manifest.id), "upper");
    return { manifest, spec, restoredSpec: { ...spec, lowers: [upper, ...spec.lowers] }, choice };
  }

  /** The plan that restores a prepared checkpoint into a fresh sandbox. `outputFile` takes what the engine prints. */
  compile(ready: ReadyCheckpoint, target: Pick<RestorePlanTarget, "sandbox" | "cleanup" | "outputFile">): RestorePlan {
    const directory = this.#deps.store.directoryOf(ready.manifest.id);
    return ready.choice.engine.compile(ready.manifest, { ...target, directory, verbosity: RESTORE_VERBOSITY });
  }

  /** Lets the stopped container go on or end, in the order that loses nothing when something fails. */
  async #finish<T>(
    container: Container,
    stopped: Awaited<ReturnType<typeof dumpStopped>>,
    leaveRunning: boolean,
    commit: (dumped: Dumped) => Promise<T>,
  ): Promise<T> {
    const dumped = stopped.dumped();
    if (leaveRunning) {
      stopped.resume();
      return commit(dumped);
    }
    try {
      const committed = await commit(dumped);
      await this.#deps.containers.kill(container.id);
      return committed;
    } catch (error) {
      stopped.resume();
      throw error;
    }
  }

  /** A restored container, and a checkpoint of one, have the writable layer of the first checkpoint below theirs. */
  #userOfLayer(upper: string): string | undefined {
    for (const { name, lowers } of this.#deps.containers.lowers())
      if (lowers.includes(upper)) return `the container ${name}`;
    const above = this.#deps.store.list().find((manifest) => specOf(manifest).lowers.includes(upper));
    return above && `the checkpoint ${above.name}`;
  }

  #onMachine(): Promise<Machine> {
    this.#machine ??= this.#look().catch((error) => {
      this.#machine = undefined;
      throw error;
    });
    return this.#machine;
  }

  async #look(): Promise<Machine> {
    const criu = await this.#deps.criu();
    return { criu, facts: await machineFacts(criu.version), engines: [new CriuEngine(criu)] };
  }

  #verify(id: string): Promise<void> {
    const known = this.#verified.get(id);
    if (known) return known;
    const verified = this.#deps.store.verify(id);
    this.#verified.set(id, verified);
    verified.catch(() => this.#verified.delete(id));
    return verified;
  }

  async #describe(manifest: CheckpointManifest): Promise<CheckpointInfo> {
    const { id, name, createdAt, image, containerName, engine, reasons, frozenMs, pagesBytes } = manifest;
    const sizeBytes = manifest.imagesBytes + manifest.upperBytes;
    const info = { id, name, createdAt, image, containerName, sizeBytes, pagesBytes, engine, reasons, frozenMs };
    return { ...info, incompatibilities: await this.#incompatibilities(manifest) };
  }

  async #incompatibilities(manifest: CheckpointManifest): Promise<string[]> {
    try {
      return incompatibilities(manifest.facts, (await this.#onMachine()).facts);
    } catch (error) {
      return [asThawError(error).message];
    }
  }
}

type RestorePlanTarget = Parameters<RestoreEngine["compile"]>[1];

function draft(name: string, container: Container, facts: MachineFacts, dumped: Dumped): CheckpointDraft {
  const { spec } = container;
  return {
    name,
    image: spec.image ?? spec.rootfs ?? "",
    containerName: spec.name,
    layers: spec.lowers.toReversed(),
    container: { ...spec },
    facts,
    ...dumped,
    engine: "criu",
    reasons: [],
  };
}

function specOf(manifest: CheckpointManifest): ContainerSpec {
  // `draft` wrote it out of a ContainerSpec into files that only root may write.
  return manifest.container as unknown as ContainerSpec;
}

/** @throws ThawError WRONG_STATE or CHECKPOINT_FAILED with what to do. */
function checkDumpable({ spec, state }: Container): void {
  if (state !== "running") {
    throw new ThawError("WRONG_STATE", `${spec.name} is ${state}, expected it to run`, {
      hint: `Start it first: thaw start ${spec.name}`,
    });
  }
  if (!spec.init) {
    throw new ThawError("CHECKPOINT_FAILED", `${spec.name} runs without thaw's init, which a checkpoint needs`, {
      hint: "Run it without --no-init.",
    });
  }
  if (spec.tty) {
    throw new ThawError("CHECKPOINT_FAILED", `${spec.name} has a terminal, which cannot be checkpointed`, {
      hint: "Run it without -t.",
    });
  }
}

function incompatible(name: string, differences: readonly string[]): ThawError {
  return new ThawError(
    "CHECKPOINT_INCOMPATIBLE",
    `the checkpoint ${name} cannot be restored here: ${differences.join("; ")}`,
    {
      hint: "Start the container cold (thaw run) and make the checkpoint again on this machine.",
    },
  );
}

async function restoreError(name: string, error: unknown, outputFile: string): Promise<ThawError> {
  const cause = asThawError(error);
  if (cause.code !== "RESTORE_FAILED" && cause.code !== "START_FAILED") return cause;
  const errors = await criuErrors(outputFile);
  return new ThawError("RESTORE_FAILED", `the checkpoint ${name} could not be restored: ${errors || cause.message}`, {
    hint: "Start the container cold (thaw run) and make the checkpoint again.",
    cause,
  });
}
