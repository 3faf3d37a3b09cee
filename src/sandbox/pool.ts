/**
 * Sandboxes made ahead. The pool watches what the launcher is told: each plan that is run tells which shape is in
 * use (pooled.ts), each route which shape a sleeping service will want, with or without a daemon. Taking one is the
 * launcher's business; the pool only keeps some parked:
 *
 *  - a shape that is used is kept ready once; each time a plan comes and none is there, twice as often, up to a bound;
 *  - new ones are made one after the other, and only while no start is under way, so that they never compete with one;
 *  - a shape that nobody has used for a while is halved, again and again, down to one while a service sleeps that
 *    would want it, else to none. With nothing parked there is no timer.
 *
 * What is parked is not worth keeping over a restart of the daemon: `reset` ends it.
 */
import { randomBytes } from "node:crypto";
import { ContainerState, type LauncherEvent, type Op, type Request } from "../launcher/generated/protocol.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { Cgroups } from "./cgroups/index.ts";
import { partOf, renameLeaves } from "./pooled.ts";

/** Bounds and pauses. */
export interface PoolLimits {
  /** Sandboxes parked of one shape, and of all. */
  readonly each: number;
  readonly all: number;
  /** From the end of a start to the making of new ones, ms. */
  readonly pauseMs: number;
  /** How long a shape that is not used keeps its size, ms. */
  readonly keepMs: number;
}

const DEFAULT_LIMITS: PoolLimits = { each: 8, all: 24, pauseMs: 10, keepMs: 10_000 };
const PREFIX = "pool-";
const ID_BYTES = 8;

interface Shape {
  readonly name: string;
  readonly part: readonly Op[];
  /** The leaves that stand in `part`. */
  readonly leaves: readonly string[];
  wanted: number;
  readonly parked: Set<string>;
  usedAt: number;
}

/** Keeps sandboxes ready. Everything it does in the background may fail without harm: then plans run as a whole. */
export class SandboxPool {
  readonly #launcher: LauncherClient;
  readonly #cgroups: Cgroups;
  readonly #limits: PoolLimits;
  readonly #shapes = new Map<string, Shape>();
  /** Listeners whose service would want a shape. */
  readonly #asleep = new Map<string, string>();
  /** Containers whose start is under way, and their shapes. */
  readonly #starting = new Map<string, Shape>();
  /** The one that is being made, and its shape. */
  #making: { readonly id: string; readonly shape: Shape } | undefined;
  #refill: ReturnType<typeof setTimeout> | undefined;
  #shrink: ReturnType<typeof setTimeout> | undefined;
  readonly #stops: (() => void)[];

  constructor(launcher: LauncherClient, cgroups: Cgroups, limits: Partial<PoolLimits> = {}) {
    this.#launcher = launcher;
    this.#cgroups = cgroups;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#stops = [
      launcher.onAccepted((request) => this.#saw(request)),
      launcher.onEvent((event) => this.#happened(event)),
      launcher.onReconnect(() => void this.reset().catch(() => {})),
    ];
  }

  /** How many are parked now, by shape. */
  sizes(): ReadonlyMap<string, number> {
    return new Map([...this.#shapes].map(([name, { parked }]) => [name, parked.size]));
  }

  /**
   * Begins anew: ends everything that is parked, by whatever daemon it was made, and forgets what was in use.
   * @throws ThawError LAUNCHER_FAILED.
   */
  async reset(): Promise<void> {
    this.#shapes.clear();
    this.#asleep.clear();
    this.#starting.clear();
    this.#making = undefined;
    const { containers } = await this.#launcher.list();
    for (const { id, state } of containers) {
      if (!id.startsWith(PREFIX)) continue;
      this.#drop(id, state === ContainerState.parked || state <= ContainerState.stopping ? "kill" : "forget");
    }
  }

  /** Stops watching; what is parked stays for services that wake while no daemon is there. */
  close(): void {
    for (const stop of this.#stops) stop();
    clearTimeout(this.#refill);
    clearTimeout(this.#shrink);
  }

  #saw(request: Request): void {
    if (request.kind === "route") {
      const shape = this.#shapeOf(request.wake, request.target);
      if (shape === undefined) return;
      this.#asleep.set(request.id, shape.name);
      shape.wanted = Math.max(1, shape.wanted);
      this.#soon();
    } else if (request.kind === "unroute" || request.kind === "unlisten") {
      this.#asleep.delete(request.id);
      this.#tidyLater();
    } else if (request.kind === "run") {
      this.#use(request.plan, request.id);
    }
  }

  #use(plan: readonly Op[], id: string): void {
    const shape = this.#shapeOf(plan, id);
    if (shape === undefined) return;
    const others = [...this.#starting.values()].filter((starting) => starting === shape).length;
    this.#starting.set(id, shape);
    const wanted = shape.parked.size > others ? shape.wanted : shape.wanted * 2;
    shape.wanted = Math.min(this.#limits.each, Math.max(1, wanted));
  }

  #shapeOf(plan: readonly Op[], id: string): Shape | undefined {
    const found = partOf(plan);
    // A second one that is wired the same would take the first one's place in its network.
    if (found === undefined || found.part.some(({ kind }) => kind === "netlink_inside")) return undefined;
    const known = this.#shapes.get(found.shape);
    const usedAt = performance.now();
    if (known !== undefined) return Object.assign(known, { usedAt });
    const leaves = this.#cgroups.leaves(id);
    const shape = { name: found.shape, part: found.part, leaves, wanted: 0, parked: new Set<string>(), usedAt };
    this.#shapes.set(shape.name, shape);
    return shape;
  }

  #happened(event: LauncherEvent): void {
    if (event.kind === "parked") {
      if (this.#making?.id === event.id) this.#making.shape.parked.add(event.id);
      this.#made(event.id);
    } else if (event.kind === "taken") {
      this.#forget(event.id);
    } else if (event.kind === "started" || event.kind === "failed" || event.kind === "exited") {
      this.#starting.delete(event.id);
      if (event.id.startsWith(PREFIX)) this.#ended(event);
      this.#soon();
    }
  }

  #ended({ id, kind }: { readonly id: string; readonly kind: string }): void {
    const shape = this.#making?.id === id ? this.#making.shape : undefined;
    // What cannot be made now is not tried again before somebody uses the shape.
    if (kind === "failed" && shape !== undefined) shape.wanted = 0;
    this.#forget(id);
    this.#made(id);
    this.#drop(id, "forget");
  }

  #made(id: string): void {
    if (this.#making?.id === id) this.#making = undefined;
    this.#soon();
    this.#tidyLater();
  }

  #forget(id: string): void {
    for (const { parked } of this.#shapes.values()) parked.delete(id);
  }

  /** It may be gone already. */
  #drop(id: string, kind: "kill" | "forget"): void {
    this.#launcher.request({ kind, id }).catch(() => {});
  }

  #soon(): void {
    if (this.#refill !== undefined || this.#next() === undefined) return;
    this.#refill = setTimeout(() => {
      this.#refill = undefined;
      if (this.#starting.size === 0 && this.#making === undefined) this.#make();
    }, this.#limits.pauseMs);
  }

  #next(): Shape | undefined {
    const all = [...this.#shapes.values()];
    if (all.reduce((sum, { parked }) => sum + parked.size, 0) >= this.#limits.all) return undefined;
    const lacking = all.filter(({ wanted, parked }) => parked.size < wanted);
    return lacking.toSorted((a, b) => a.parked.size - b.parked.size)[0];
  }

  #make(): void {
    const shape = this.#next();
    if (shape === undefined) return;
    const id = `${PREFIX}${randomBytes(ID_BYTES).toString("hex")}`;
    const plan = shape.part.map((op) => renameLeaves(op, shape.leaves, id));
    this.#making = { id, shape };
    this.#launcher.request({ kind: "prepare", id, plan, cleanup: this.#cgroups.remove(id) }).catch(() => {
      shape.wanted = 0;
      this.#made(id);
    });
  }

  #tidyLater(): void {
    if (this.#shrink !== undefined || ![...this.#shapes.values()].some((shape) => this.#isTooMany(shape))) return;
    this.#shrink = setTimeout(() => {
      this.#shrink = undefined;
      this.#tidy();
      this.#tidyLater();
    }, this.#limits.keepMs);
    this.#shrink.unref();
  }

  #isTooMany(shape: Shape): boolean {
    return Math.max(shape.wanted, shape.parked.size) > this.#least(shape);
  }

  #least({ name }: Shape): number {
    return [...this.#asleep.values()].includes(name) ? 1 : 0;
  }

  #tidy(): void {
    const now = performance.now();
    for (const shape of this.#shapes.values()) {
      if (now - shape.usedAt < this.#limits.keepMs) continue;
      shape.wanted = Math.max(this.#least(shape), shape.wanted >> 1);
      const surplus = [...shape.parked].slice(shape.wanted);
      for (const id of surplus) this.#drop(id, "kill");
      if (shape.wanted === 0 && shape.parked.size === 0) this.#shapes.delete(shape.name);
    }
  }
}
