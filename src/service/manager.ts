/**
 * On-demand services. The launcher wakes them and puts them to sleep by itself; this decides what it shall wake,
 * makes the checkpoints and keeps the books. Changes of one service happen one after the other; what the launcher
 * reports is taken in between, at any time.
 */
import { criuErrors, engineOutput } from "../checkpoint/index.ts";
import { asThawError, ThawError } from "../common/errors.ts";
import { Listeners } from "../launcher/index.ts";
import { changeService, removeService } from "./change.ts";
import { afterWake, apply, describeService, type Live, remember } from "./live.ts";
import { Locks } from "./locks.ts";
import type { GatewayEvent } from "./ports.ts";
import { reconcileServices } from "./reconcile.ts";
import { checkSpec, serviceId } from "./spec.ts";
import type { LifeEvent } from "./state.ts";
import { type ServiceRow, ServiceStore } from "./store.ts";
import { TierKeeper } from "./tier-keeper.ts";
import type { Service, ServiceManager, ServiceSpec, WakePhases } from "./types.ts";
import type { ServiceDeps, ServiceWorld } from "./world.ts";

export class Services implements ServiceManager {
  readonly #deps: ServiceDeps;
  readonly #store: ServiceStore;
  readonly #live = new Map<string, Live>();
  readonly #locks = new Locks();
  readonly #changes = new Listeners<Service>();
  readonly #world: ServiceWorld;
  readonly #tiers: TierKeeper;
  readonly #background = new Set<Promise<void>>();

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
    this.#store = new ServiceStore(deps.database);
    deps.gateway.onEvent((event) => this.#take(event));
    this.#world = {
      ...deps,
      store: this.#store,
      live: this.#live,
      happen: (live, event) => this.#happen(live, event),
      save: (live, row) => this.#save(live, row),
    };
    this.#tiers = new TierKeeper(this.#world, this.#locks);
  }

  async up(spec: ServiceSpec, progress: (line: string) => void): Promise<Service> {
    checkSpec(spec);
    const id = serviceId(spec);
    await this.#locks.run(id, () => changeService(this.#world, id, spec, progress));
    this.#use(id);
    await this.#tiers.settle();
    return this.get(id);
  }

  async down(project: string): Promise<number> {
    const ids = [...this.#live.values()].filter((live) => live.row.spec.project === project).map((live) => live.row.id);
    await Promise.all(ids.map((id) => this.#locks.run(id, () => removeService(this.#world, id))));
    this.#inBackground("tiers", () => this.#tiers.settle());
    return ids.length;
  }

  get(id: string): Service {
    return this.#describe(this.#find(id));
  }

  list(): Service[] {
    const all = [...this.#live.values()].sort((a, b) => (a.row.id < b.row.id ? -1 : 1));
    return all.map((live) => this.#describe(live));
  }

  async sleep(id: string): Promise<void> {
    const { row, life } = this.#find(id);
    if (life.state === "preparing") {
      throw new ThawError("WRONG_STATE", `${id} is being prepared, expected it to be awake`, {
        hint: "Wait until it is asleep.",
      });
    }
    await this.#deps.gateway.sleep(id, row.spec.ports, false);
  }

  onChange(listener: (service: Service) => void): () => void {
    return this.#changes.add(listener);
  }

  async reconcile(): Promise<void> {
    const stale = await reconcileServices(this.#world, this.#locks);
    for (const id of stale) this.#prepareAgain(id);
    this.#inBackground("tiers", () => this.#tiers.reconcile());
  }

  /** Name of a service that needs the checkpoint, as `CheckpointDeps.usedBy` wants it. */
  userOf(checkpoint: string): string | undefined {
    const user = [...this.#live.values()].find(({ row }) => row.checkpoint === checkpoint);
    return user && `the service ${user.row.id}`;
  }

  /** Resolves when no preparation goes on in the background. */
  async settled(): Promise<void> {
    while (this.#background.size > 0) await Promise.all(this.#background);
  }

  #find(id: string): Live {
    const live = this.#live.get(id);
    if (live) return live;
    throw new ThawError("SERVICE_NOT_FOUND", `no service named ${id}`, {
      hint: "thaw services shows those that exist.",
    });
  }

  #describe(live: Live): Service {
    const { checkpoint, instance, tier } = live.row;
    const isInMemory = live.life.state === "awake" || live.life.state === "waking" || tier === "parked";
    const { checkpoints } = this.#deps;
    const template = tier === "disk" ? 0 : checkpoints.templates.memoryBytes(checkpoints.idOf(checkpoint) ?? "");
    return describeService(live, template + (isInMemory ? this.#deps.cgroups.memoryBytes(instance) : 0));
  }

  #happen(live: Live, event: LifeEvent): void {
    const changed = apply(live, event);
    if (changed) this.#changes.emit(this.#describe(live));
  }

  #save(live: Live, row: ServiceRow): void {
    this.#store.put(row);
    live.row = row;
  }

  #take(event: GatewayEvent): void {
    const live = this.#live.get(event.service);
    if (!live || live.life.state === "removed") return;
    if (event.kind === "listener") {
      if (event.report !== "asleep") live.held = false;
      this.#happen(live, { kind: "listener", report: event.report });
    } else if (event.kind === "held") this.#held(live, event);
    else this.#inBackground(event.service, () => this.#woke(live, event.wake));
  }

  #held(live: Live, { ok, detail }: { ok: boolean; detail: string }): void {
    live.held = ok;
    if (!ok) this.#save(live, { ...live.row, reasons: remember(live.row.reasons, `parked: ${detail}`) });
    this.#changes.emit(this.#describe(live));
  }

  /** Why an engine failed is in its output; the launcher only knows that it did. */
  #whyFailed({ row }: Live, wake: WakePhases): string {
    const errors = criuErrors(engineOutput(this.#deps.containers.place(row.instance)));
    return [wake.detail, errors].filter((part) => part !== "").join(": ") || "it could not be woken";
  }

  async #woke(live: Live, wake: WakePhases): Promise<void> {
    const reason = wake.result === "restored" ? "" : this.#whyFailed(live, wake);
    // A process that was to wait but did not yet was cloned like any other.
    const fromDisk = live.row.tier === "disk" || live.row.engine !== "thaw" ? "disk" : "template";
    const armed = live.row.checkpoint === "" ? "cold" : fromDisk;
    const tier = wake.result === "fallback" ? "cold" : wake.tier === "parked" ? "parked" : armed;
    const told = { ...wake, tier, ...(reason === "" ? {} : { detail: reason }) } as const;
    this.#use(live.row.id);
    this.#save(live, afterWake(live.row, told, reason));
    this.#happen(live, { kind: "woke", wake: told });
    this.#tiers.woken(live);
    if (wake.result === "fallback" && (await this.#isDamaged(live.row))) this.#prepareAgain(live.row.id);
  }

  #use(id: string): void {
    const live = this.#live.get(id);
    if (live) live.usedAt = Date.now();
  }

  async #isDamaged(row: ServiceRow): Promise<boolean> {
    try {
      await this.#deps.checkpoints.prepare(row.checkpoint, { verifyAgain: true });
      return false;
    } catch (error) {
      this.#deps.log?.(`${row.id}: ${asThawError(error).message}`);
      return true;
    }
  }

  /** Makes a service's checkpoint anew without anybody waiting; until then it wakes by cold starts. */
  #prepareAgain(id: string): void {
    const progress = (line: string) => this.#deps.log?.(`${id}: ${line}`);
    this.#inBackground(id, () =>
      this.#locks
        .run(id, async () => {
          const live = this.#live.get(id);
          if (live) await changeService(this.#world, id, live.row.spec, progress, { again: true });
        })
        .then(() => this.#tiers.settle()),
    );
  }

  #inBackground(id: string, work: () => Promise<void>): void {
    const running = work()
      .catch((error) => this.#deps.log?.(`${id}: ${asThawError(error).message}`))
      .then(() => {
        this.#background.delete(running);
      });
    this.#background.add(running);
  }
}
