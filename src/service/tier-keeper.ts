/**
 * Keeps each sleeping service in the tier that the budget gives it: makes templates, has the launcher wake out of them, and
 * lets go of those that are needed for more recent ones. It acts after changes, one evaluation at a time, and never in
 * a wake-up's way: until a template is there a service wakes from disk.
 */
import type { ReadyCheckpoint } from "../checkpoint/index.ts";
import { asThawError } from "../common/errors.ts";
import { armInTier } from "./change.ts";
import type { Live } from "./live.ts";
import type { Locks } from "./locks.ts";
import { decideTiers, type Sleeper, TIERS, type Tier } from "./tiers.ts";
import type { ServiceWorld } from "./world.ts";

/** A parked process beside its template: page tables, what it has written, its sandbox. A CRIU that waits takes as much. */
const PARKED_BYTES = 6 * 2 ** 20;
/** How long a tier may wait for its first parked process, ms. */
const HELD_MS = 5000;
/** A template that ended so often by itself is not made again for that checkpoint. */
const ENOUGH_ENDS = 3;

export class TierKeeper {
  readonly #world: ServiceWorld;
  readonly #locks: Locks;
  readonly #ends = new Map<string, number>();
  #running: Promise<void> | undefined;
  #again = false;

  constructor(world: ServiceWorld, locks: Locks) {
    this.#world = world;
    this.#locks = locks;
    world.checkpoints.templates.onGone((checkpoint) => {
      this.#ends.set(checkpoint, (this.#ends.get(checkpoint) ?? 0) + 1);
      void this.settle();
    });
  }

  /** Brings all services to their tiers. Resolves when they are. */
  settle(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** A service was woken: when it could sleep in a quicker tier, it may be its turn. */
  woken({ row }: Live): void {
    if (row.checkpoint !== "" && row.tier !== "parked" && (row.spec.tier ?? "auto") === "auto") void this.settle();
  }

  /** After the daemon or the launcher was started: templates that run are known again, those of nobody end. */
  async reconcile(): Promise<void> {
    const wanted = new Set<string>();
    for (const { row } of this.#candidates()) {
      const id = this.#checkpointId(row.checkpoint);
      if (id !== undefined && row.tier !== "disk" && row.engine === "thaw") wanted.add(id);
    }
    await this.#world.checkpoints.templates.reconcile(wanted);
    await this.settle();
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      const tiers = [...decideTiers(this.#sleepers(), this.#world.memoryBudget)];
      // Who has to let go comes first: what the others get is theirs.
      for (const [id, tier] of tiers.toSorted((a, b) => TIERS.indexOf(a[1]) - TIERS.indexOf(b[1]))) {
        await this.#locks
          .run(id, () => this.#move(id, tier))
          .catch((error: unknown) => {
            this.#world.log?.(`${id}: tier ${tier}: ${asThawError(error).message}`);
          });
      }
    }
  }

  /** Services that an engine wakes: others have no tiers. */
  #candidates(): Live[] {
    return [...this.#world.live.values()].filter(({ row, life }) => {
      return row.prepared && row.engine !== "cold" && row.checkpoint !== "" && life.state !== "preparing";
    });
  }

  #sleepers(): Sleeper[] {
    const { checkpoints } = this.#world;
    return this.#candidates().flatMap(({ row, usedAt = 0 }) => {
      const manifest = checkpoints.manifest(row.checkpoint);
      if (manifest === undefined) return [];
      // CRIU has no templates: it waits in a sandbox of its own, or is started when it is wanted.
      const held = checkpoints.templates.memoryBytes(manifest.id) || manifest.pagesBytes;
      const templateBytes = row.engine === "thaw" ? held : 0;
      const isBad = (this.#ends.get(manifest.id) ?? 0) >= ENOUGH_ENDS;
      const wish = isBad ? "disk" : (row.spec.tier ?? "auto");
      return [{ id: row.id, wish, usedAt, templateBytes, parkedBytes: PARKED_BYTES }];
    });
  }

  async #move(id: string, decided: Tier): Promise<void> {
    const live = this.#candidates().find(({ row }) => row.id === id);
    if (!live) return;
    const { templates } = this.#world.checkpoints;
    const checkpoint = this.#checkpointId(live.row.checkpoint);
    if (checkpoint === undefined) return;
    const isCriu = live.row.engine === "criu";
    const tier = isCriu && decided === "template" ? "disk" : decided;
    const isThere = tier === "disk" || isCriu || templates.has(checkpoint);
    if (live.row.tier === tier && isThere) return;
    const ready: ReadyCheckpoint = await this.#world.checkpoints.prepare(live.row.checkpoint);
    if (tier !== "disk" && !isCriu) await templates.start(this.#world.checkpoints.templateSource(ready), id);
    const held = tier === "parked" && live.life.state === "asleep" ? this.#untilHeld(id) : undefined;
    await armInTier(this.#world, live, tier);
    await held;
    if (tier === "disk" && !isCriu) await templates.stop(checkpoint, id);
  }

  /** Resolves when a process waits, or will not. */
  #untilHeld(id: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, HELD_MS);
    const stop = this.#world.gateway.onEvent((event) => {
      const isOver = event.kind === "held" || (event.kind === "listener" && event.report !== "asleep");
      if (event.service === id && isOver) resolve();
    });
    return promise.finally(() => {
      clearTimeout(timer);
      stop();
    });
  }

  #checkpointId(name: string): string | undefined {
    return this.#world.checkpoints.idOf(name);
  }
}
