/**
 * Checkpoints: making them of running containers and containers of them. Everything that can be known before is
 * checked before anything is tried: the container's state, the machine's facts, the images' digests. How processes
 * come back is an engine's affair; here its plan is only ordered and run.
 */
import { join } from "node:path";
import { asThawError, ThawError } from "../common/errors.ts";
import { ALONE, type ContainerNetwork, type ContainerPlace, type Containers } from "../container/index.ts";
import type { Container, ContainerSpec } from "../container/types.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { Cgroups } from "../sandbox/index.ts";
import type { CriuInstallation } from "./criu/verify.ts";
import { describe, storedIn } from "./describe.ts";
import { draft, specOf } from "./draft.ts";
import { CompiledEngine } from "./engine/compiled.ts";
import { CriuEngine } from "./engine/criu.ts";
import { type Dumped, dumpStopped } from "./engine/dump.ts";
import { DEFAULT_LIMIT_MS, endLater, restoreLimit } from "./engine/limit.ts";
import { criuErrors } from "./engine/log.ts";
import { marked, recoverDumps } from "./engine/recover.ts";
import {
  allowedEngines,
  chooseEngine,
  type EngineChoice,
  type RestoreEngine,
  type RestoreOptions,
} from "./engine/types.ts";
import { incompatibilities, type MachineFacts, machineFacts } from "./facts.ts";
import type { CheckpointDraft, CheckpointManifest } from "./manifest.ts";
import { engineOutput, onTopOf, restoreSandbox, sandboxCleanup } from "./plans.ts";
import { checkDumpable, incompatible, restoreFailed } from "./refusals.ts";
import { rehearse } from "./rehearsal.ts";
import type { Trial } from "./seal.ts";
import type { CheckpointStore, PendingCheckpoint } from "./store.ts";
import { type TemplateSource, Templates, templateId } from "./templates.ts";
import type { CheckpointInfo, CheckpointManager, CreateOptions, RestorePlan, RestoreRequest } from "./types.ts";

export interface CheckpointDeps {
  readonly client: LauncherClient;
  readonly store: CheckpointStore;
  readonly containers: Containers;
  readonly cgroups: Cgroups;
  /** For marks of dumps that are under way; may vanish at boot. */
  readonly runDir: string;
  /** The CRIU of this machine. @throws ThawError DEPENDENCY_MISSING. */
  readonly criu: () => Promise<CriuInstallation>;
  /** What a restore of no memory may take, ms; 10 seconds when not given. */
  readonly restoreLimitMs?: number;
  /** Name of the only engine to use; not given: the quickest that can. */
  readonly engine?: string | undefined;
  /** Who needs a checkpoint, in words ("the service web"), or undefined. */
  readonly usedBy: (name: string) => string | undefined;
  /** Takes a line about what went another way than meant. */
  readonly log?: (line: string) => void;
}

/** A checkpoint that was found fit for this machine. */
export interface ReadyCheckpoint {
  readonly manifest: CheckpointManifest;
  /** The dumped container with the checkpoint's writable layer on top of the image's. */
  readonly restoredSpec: ContainerSpec;
  readonly choice: EngineChoice;
}

/** What is the same for as long as the daemon runs. */
interface Machine {
  readonly criu: CriuInstallation;
  readonly facts: MachineFacts;
  readonly engines: readonly RestoreEngine[];
}

/** Owner of templates that no service has. */
const LENT = "restores";
/** How long such a template is kept after the last restore, ms. */
const LENT_MS = 30_000;

/** Errors that CRIU prints of a restore are few; they cost nothing while there are none. */
const RESTORE_VERBOSITY = 1;

/** How a plan shall restore beyond what the checkpoint says. */
export interface CompileOptions {
  readonly layer: "keep" | "drop";
  readonly network?: ContainerNetwork;
  /** The checkpoint's engine when not given. */
  readonly engine?: RestoreEngine;
  readonly template?: RestoreOptions["template"];
  readonly ahead?: RestoreOptions["ahead"];
}

export class Checkpoints implements CheckpointManager {
  /** Memory templates of checkpoints. */
  readonly templates: Templates;
  readonly #deps: CheckpointDeps;
  /** Ids of checkpoints whose digests were compared in this run of the daemon. */
  readonly #verified = new Map<string, Promise<void>>();
  /** When to let go of a template that restores were asked for out of, by the checkpoint's id. */
  readonly #lent = new Map<string, ReturnType<typeof setTimeout>>();
  #machine: Promise<Machine> | undefined;

  constructor(deps: CheckpointDeps) {
    this.#deps = deps;
    this.templates = new Templates(deps.client, deps.cgroups);
  }

  async create(name: string, checkpoint: string, options: CreateOptions = {}): Promise<CheckpointInfo> {
    const container = this.#deps.containers.get(name);
    checkDumpable(container);
    const { criu, facts } = await this.#onMachine();
    const pending = await this.#deps.store.begin(checkpoint);
    try {
      const manifest = await marked(this.#deps.runDir, container.id, () =>
        this.#dump(container, pending, { criu, ...options }, (dumped) => draft(checkpoint, container, facts, dumped)),
      );
      return await this.#describe(manifest);
    } catch (error) {
      await this.#deps.store.discard(pending.id);
      throw error;
    }
  }

  /**
   * Whether a dump may be tried at all: for who waits for something before it.
   * @throws ThawError WRONG_STATE, CHECKPOINT_FAILED, NAME_IN_USE, INVALID.
   */
  refuseUndumpable(container: Container, checkpoint: string): void {
    checkDumpable(container);
    this.#deps.store.refuseTaken(checkpoint);
  }

  /** Undoes what an earlier daemon left half-done. To be called once, when containers are reconciled. */
  async recover(): Promise<string[]> {
    await recoverDumps(this.#deps.client, this.#deps.containers, this.#deps.runDir);
    return this.#deps.store.sweep();
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
    await this.templates.stop(id);
    await this.#deps.store.remove(name);
    this.#verified.delete(id);
  }

  async restore(name: string, options: RestoreRequest = {}): Promise<Container> {
    const ready = await this.prepare(name);
    if (options.tier === "template") await this.#lendTemplate(ready);
    const [first, ...others] = [ready.choice.engine, ...ready.choice.others];
    for (const [index, engine] of [first, ...others].entries()) {
      try {
        return await this.#restoreWith(engine, ready, name, options);
      } catch (error) {
        if (index === others.length || asThawError(error).code !== "RESTORE_FAILED") throw error;
        this.#deps.log?.(`${name}: ${engine.name}: ${asThawError(error).message}`);
      }
    }
    throw new ThawError("INTERNAL", `no engine for ${name}`);
  }

  /** Keeps a memory template for restores that are asked for out of one, until nobody has asked for a while. */
  async #lendTemplate(ready: ReadyCheckpoint): Promise<void> {
    const { id, engine, name } = ready.manifest;
    if (engine !== "thaw") {
      throw new ThawError("WRONG_STATE", `${name} is restored by ${engine}, which knows no memory templates`, {
        hint: "thaw checkpoint inspect says why; restore it without --tier template.",
      });
    }
    await this.templates.start(this.templateSource(ready), LENT);
    clearTimeout(this.#lent.get(id));
    const timer = setTimeout(() => {
      this.#lent.delete(id);
      this.templates
        .stop(id, LENT)
        .catch((error: unknown) => this.#deps.log?.(`${name}: ${asThawError(error).message}`));
    }, LENT_MS);
    timer.unref();
    this.#lent.set(id, timer);
  }

  async #restoreWith(
    engine: RestoreEngine,
    ready: ReadyCheckpoint,
    name: string,
    options: RestoreRequest,
  ): Promise<Container> {
    const { client, containers } = this.#deps;
    const hasTemplate = engine.name === "thaw" && options.tier === "template";
    const template = hasTemplate ? { template: templateId(ready.manifest.id), hold: false } : undefined;
    const limit = this.limitOf(name);
    let outputFile = "";
    let callOff = () => {};
    try {
      return await containers.startPlanned({
        spec: { ...ready.restoredSpec, name: options.containerName ?? "" },
        restoredFrom: name,
        plan: (place, { spec }, network) => {
          outputFile = engineOutput(place);
          callOff = endLater(client, place.id, limit, () => true);
          return this.compile({ ...ready, restoredSpec: spec }, place, { layer: "keep", network, engine, template });
        },
        onFailed: (event) => restoreFailed(name, event, criuErrors(outputFile)),
      });
    } finally {
      callOff();
    }
  }

  /** How long a restore may take before it is taken for hung, ms. @throws ThawError CHECKPOINT_NOT_FOUND. */
  limitOf(name: string): number {
    return restoreLimit(this.#deps.store.get(name).pagesBytes, this.#deps.restoreLimitMs ?? DEFAULT_LIMIT_MS);
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
    return { manifest, restoredSpec: onTopOf(spec, upper), choice };
  }

  /** The plan that restores a prepared checkpoint as the container of that place. */
  compile(
    ready: ReadyCheckpoint,
    place: ContainerPlace,
    { layer, network = ALONE, engine = ready.choice.engine, template, ahead }: CompileOptions,
  ): RestorePlan {
    // CRIU makes its own, at the moment of the restore and not of the sandbox.
    const clocks = engine.name === "criu" ? undefined : ready.manifest.clocks;
    return engine.compile(ready.manifest, {
      template,
      ahead,
      directory: this.#deps.store.directoryOf(ready.manifest.id),
      sandbox: restoreSandbox(ready.restoredSpec, place, this.#deps.cgroups, network, clocks),
      cleanup: [...network.after, ...sandboxCleanup(ready.restoredSpec, place, this.#deps.cgroups, layer)],
      outputFile: engineOutput(place),
      verbosity: RESTORE_VERBOSITY,
    });
  }

  /** What a checkpoint's memory template is made of. */
  templateSource({ manifest, restoredSpec }: ReadyCheckpoint): TemplateSource {
    const { lowers, hooks } = restoredSpec;
    return { manifest, directory: this.#deps.store.directoryOf(manifest.id), lowers, hooks };
  }

  /** The manifest of a checkpoint; undefined when there is none that this thaw can read. */
  manifest(name: string): CheckpointManifest | undefined {
    return this.#deps.store.find(name);
  }

  /** Its id alone, which costs less. */
  idOf(name: string): string | undefined {
    return this.#deps.store.idOf(name);
  }

  /** The order loses nothing when something fails: the container ends when its checkpoint is there. */
  async #dump(
    container: Container,
    pending: PendingCheckpoint,
    { criu, ...options }: { criu: CriuInstallation } & CreateOptions,
    draftOf: (dumped: Dumped) => CheckpointDraft,
  ): Promise<CheckpointManifest> {
    const { client, containers, store } = this.#deps;
    const { upper } = containers.place(container.id);
    const { connections } = options;
    const request = { client, program: criu, container, upper, directory: pending.dir, connections };
    const stopped = await dumpStopped(request);
    const commit = () => store.commit(pending.id, draftOf(stopped.dumped()), this.#trial(container.spec, options));
    if (options.leaveRunning) {
      const committing = commit();
      stopped.resume();
      return committing;
    }
    try {
      const committed = await commit();
      await this.#end(container);
      return committed;
    } catch (error) {
      stopped.resume();
      throw error;
    }
  }

  /**
   * None where what is restored for a try would write to the same files as the container that goes on, or wait for a lock
   * that this one holds.
   */
  #trial({ binds }: ContainerSpec, { leaveRunning, askAgain }: CreateOptions): Trial | undefined {
    if (leaveRunning && binds.length > 0) return undefined;
    return async (work) => {
      if (binds.length > 0 && work.process.locks.length > 0) return [];
      return rehearse(this.#deps, work, askAgain);
    };
  }

  async #end({ id }: Container): Promise<void> {
    const ended = this.#deps.containers.wait(id);
    await this.#deps.client.request({ kind: "kill", id });
    await ended;
  }

  /** A restored container, and a checkpoint of one, have the writable layer of the first checkpoint below theirs. */
  #userOfLayer(upper: string): string | undefined {
    const user = this.#deps.containers.list({ all: true }).find(({ spec }) => spec.lowers.includes(upper));
    if (user) return `the container ${user.spec.name}`;
    const above = this.#deps.store.list().find((manifest) => specOf(manifest).lowers.includes(upper));
    return above && `the checkpoint ${above.name}`;
  }

  /** What a checkpoint of this machine needs. @throws ThawError DEPENDENCY_MISSING. */
  async facts(): Promise<MachineFacts> {
    return (await this.#onMachine()).facts;
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
    const engines = allowedEngines([new CompiledEngine(), new CriuEngine(criu)], this.#deps.engine);
    return { criu, engines, facts: await machineFacts(criu.version) };
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
    const stored = await storedIn(this.#deps.store.directoryOf(manifest.id));
    const { engine, reasons } = await this.#engineOf(manifest);
    const incompatibilities = await this.#incompatibilities(manifest);
    return { ...describe(manifest, stored), engine, reasons, incompatibilities };
  }

  /** What was found when it was made, unless one engine alone may be used now. */
  async #engineOf(manifest: CheckpointManifest): Promise<Pick<CheckpointInfo, "engine" | "reasons">> {
    if (!this.#deps.engine) return manifest;
    try {
      const { engine, reasons } = chooseEngine((await this.#onMachine()).engines, manifest);
      return { engine: engine.name, reasons };
    } catch (error) {
      return { engine: "none", reasons: [asThawError(error).message] };
    }
  }

  async #incompatibilities(manifest: CheckpointManifest): Promise<string[]> {
    try {
      return incompatibilities(manifest.facts, (await this.#onMachine()).facts);
    } catch (error) {
      return [asThawError(error).message];
    }
  }
}
