/**
 * Memory templates: processes that hold a checkpoint's memory and are cloned for each restore. They are containers of the
 * launcher's without a row here: they serve while the daemon is away, and a new daemon finds them by their names. A
 * template belongs to one checkpoint, so that two tenants never come out of one.
 */
import { ContainerState, Stdio } from "../launcher/generated/protocol.ts";
import { endRecord, type LauncherClient, Listeners, runToStart } from "../launcher/index.ts";
import { type Cgroups, cleanupPlan } from "../sandbox/index.ts";
import { tablesOf } from "./engine/compiled.ts";
import { templatePlan } from "./engine/compiled-plan.ts";
import { DEFAULT_LIMIT_MS, endLater, restoreLimit } from "./engine/limit.ts";
import type { CheckpointManifest } from "./manifest.ts";

export interface TemplateSource {
  readonly manifest: CheckpointManifest;
  /** Directory of the checkpoint. */
  readonly directory: string;
  /** Directories of the root that was dumped, top first. */
  readonly lowers: readonly string[];
  /** Its hooks, if it has any. */
  readonly hooks?: string | undefined;
}

const PREFIX = "template-";

/** Id of the container that is the template of a checkpoint. */
export function templateId(checkpoint: string): string {
  return `${PREFIX}${checkpoint}`;
}

export class Templates {
  readonly #client: LauncherClient;
  readonly #cgroups: Cgroups;
  /** Ids of checkpoints whose template runs. */
  readonly #running = new Set<string>();
  /** Who wants the template of a checkpoint, by its id. */
  readonly #owners = new Map<string, Set<string>>();
  readonly #starting = new Map<string, Promise<void>>();
  readonly #gone = new Listeners<string>();

  constructor(client: LauncherClient, cgroups: Cgroups) {
    this.#client = client;
    this.#cgroups = cgroups;
    client.onEvent((event) => {
      if (event.kind !== "exited" && event.kind !== "failed") return;
      if (!event.id.startsWith(PREFIX)) return;
      const checkpoint = event.id.slice(PREFIX.length);
      if (this.#running.delete(checkpoint)) this.#gone.emit(checkpoint);
      client.request({ kind: "forget", id: event.id }).catch(() => {});
    });
    client.onReconnect(() => this.#running.clear());
  }

  has(checkpoint: string): boolean {
    return this.#running.has(checkpoint);
  }

  /** Bytes that a checkpoint's template holds; 0 when there is none. */
  memoryBytes(checkpoint: string): number {
    return this.has(checkpoint) ? this.#cgroups.memoryBytes(templateId(checkpoint)) : 0;
  }

  /** Told of each template that ended without being stopped. */
  onGone(listener: (checkpoint: string) => void): () => void {
    return this.#gone.add(listener);
  }

  /** Resolves when the template waits to be cloned; it stays as long as it has an owner. @throws ThawError START_FAILED, LAUNCHER_FAILED. */
  async start(source: TemplateSource, owner: string): Promise<void> {
    const { id } = source.manifest;
    this.#owners.set(id, (this.#owners.get(id) ?? new Set()).add(owner));
    if (this.has(id)) return;
    const known = this.#starting.get(id);
    if (known) return known;
    const starting = this.#start(source).finally(() => this.#starting.delete(id));
    this.#starting.set(id, starting);
    return starting;
  }

  /** Ends a template when its last owner, or without one anybody, lets go. Resolves when its memory is free. Missing is fine. */
  async stop(checkpoint: string, owner?: string): Promise<void> {
    const owners = this.#owners.get(checkpoint);
    if (owner !== undefined) owners?.delete(owner);
    if (owner !== undefined && owners !== undefined && owners.size > 0) return;
    this.#owners.delete(checkpoint);
    await this.#starting.get(checkpoint)?.catch(() => {});
    this.#running.delete(checkpoint);
    await endRecord(this.#client, templateId(checkpoint));
  }

  /** Finds those that run already and ends those of no checkpoint among `wanted`. */
  async reconcile(wanted: ReadonlySet<string>): Promise<void> {
    for (const { id, state } of (await this.#client.list()).containers) {
      if (!id.startsWith(PREFIX)) continue;
      const checkpoint = id.slice(PREFIX.length);
      if (state === ContainerState.running && wanted.has(checkpoint)) this.#running.add(checkpoint);
      else if (!this.#starting.has(checkpoint)) await this.stop(checkpoint);
    }
  }

  async #start({ manifest, directory, lowers, hooks }: TemplateSource): Promise<void> {
    const id = templateId(manifest.id);
    const cgroups = this.#cgroups;
    const oomScore = manifest.compiled?.oomScore ?? 0;
    const plan = templatePlan({ cgroups, id, lowers, hooks, oomScore, ...tablesOf(manifest, directory) });
    await endRecord(this.#client, id);
    const cleanup = cleanupPlan(cgroups, id);
    const limit = restoreLimit(manifest.pagesBytes, DEFAULT_LIMIT_MS);
    const callOff = endLater(this.#client, id, limit, () => true);
    try {
      await runToStart(this.#client, { kind: "run", id, sandbox: "", stdio: Stdio.none, log: "", plan, cleanup });
    } finally {
      callOff();
    }
    this.#running.add(manifest.id);
  }
}
