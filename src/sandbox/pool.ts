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
 * A sandbox in a bridge network has an address from the beginning. Whoever starts a container in one asks for it
 * (`claim`) and makes its plan with that address; otherwise these are kept like the others, by shape and network.
 *
 * What is parked is not worth keeping over a restart of the daemon: `reset` ends it.
 */
import { randomBytes } from "node:crypto";
import { ThawError } from "../common/errors.ts";
import {
  type ChildOp,
  ContainerState,
  type LauncherEvent,
  type Op,
  type Request,
} from "../launcher/generated/protocol.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { Cgroups } from "./cgroups/index.ts";
import { type PoolBounds, type Shape, Shapes } from "./pool-shapes.ts";
import { isWired, partOf, pooledPart, renameLeaves, type SharedPart, wiredPart } from "./pooled.ts";

/** Bounds and pauses. */
export interface PoolLimits extends PoolBounds {
  /** From the end of a start to the making of new ones, ms. */
  readonly pauseMs: number;
  /** How long a shape that is not used keeps its size, ms. */
  readonly keepMs: number;
}

const DEFAULT_LIMITS: PoolLimits = { each: 8, all: 24, pauseMs: 10, keepMs: 10_000 };
const PREFIX = "pool-";
const ID_BYTES = 8;
const END_TRIES = 400;
const END_PAUSE_MS = 5;

/** Gives places in networks to owners, as operations that wire them, and takes them back. */
export interface Wirer {
  readonly ahead: (owner: string, network: string) => Promise<readonly ChildOp[]>;
  readonly leave: (owner: string) => void;
}

/** Whether an owner of places in networks is a sandbox made ahead. */
export function isAhead(owner: string): boolean {
  return owner.startsWith(PREFIX);
}

/** Keeps sandboxes ready. Everything it does in the background may fail without harm: then plans run as a whole. */
export class SandboxPool {
  readonly #launcher: LauncherClient;
  readonly #cgroups: Cgroups;
  readonly #limits: PoolLimits;
  readonly #wirer: Wirer | undefined;
  /** Those that have a place in a network. */
  readonly #placed = new Set<string>();
  /** Not taken yet. */
  readonly #claimed = new Set<string>();
  readonly #shapes: Shapes;
  /** Containers whose start is under way, and their shapes where those are not claimed. */
  readonly #starting = new Map<string, Shape | undefined>();
  /** The one that is being made, and its shape. */
  #making: { readonly id: string; readonly shape: Shape } | undefined;
  #refill: ReturnType<typeof setTimeout> | undefined;
  #shrink: ReturnType<typeof setTimeout> | undefined;
  readonly #stops: (() => void)[];

  constructor(
    launcher: LauncherClient,
    cgroups: Cgroups,
    limits: Partial<PoolLimits> = {},
    wirer: Wirer | undefined = undefined,
  ) {
    this.#wirer = wirer;
    this.#launcher = launcher;
    this.#cgroups = cgroups;
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#shapes = new Shapes(this.#limits);
    this.#stops = [
      launcher.onAccepted((request) => this.#saw(request)),
      launcher.onEvent((event) => this.#happened(event)),
      launcher.onReconnect(() => void this.reset().catch(() => {})),
    ];
  }

  /** How many are parked now, by shape. */
  sizes(): ReadonlyMap<string, number> {
    return this.#shapes.sizes();
  }

  /** Ids of those that have, or are being given, places in networks. */
  placed(): ReadonlySet<string> {
    return this.#placed;
  }

  /**
   * Begins anew: ends everything that is parked, by whatever daemon it was made, and forgets what was in use.
   * @throws ThawError LAUNCHER_FAILED.
   */
  async reset(): Promise<void> {
    this.#shapes.clear();
    this.#starting.clear();
    this.#claimed.clear();
    this.#making = undefined;
    // Those of a launcher that is gone are not on its successor's list.
    const placed = [...this.#placed];
    const { containers } = await this.#launcher.list();
    const ids = containers.map(({ id }) => id).filter(isAhead);
    await this.#end([...new Set([...ids, ...placed])]);
  }

  /** Ends what is parked in a network, which shall be removed. @throws ThawError LAUNCHER_FAILED. */
  async evict(network: string): Promise<void> {
    const making = this.#making?.shape.network === network ? [this.#making.id] : [];
    await this.#end([...this.#shapes.leaveNetwork(network), ...making]);
  }

  /** Resolves when they are gone: only then are their addresses and interfaces free. */
  async #end(ids: readonly string[]): Promise<void> {
    const isLive = (state: number) => state === ContainerState.parked || state <= ContainerState.stopping;
    for (let tries = 0; tries < END_TRIES; tries++) {
      const { containers } = await this.#launcher.list();
      const left = containers.filter(({ id }) => ids.includes(id));
      // Again each time: one that was just being made could not be killed before.
      for (const { id, state } of left) this.#drop(id, isLive(state) ? "kill" : "forget");
      if (!left.some(({ state }) => isLive(state))) break;
      await Bun.sleep(END_PAUSE_MS);
    }
    for (const id of ids) if (this.#placed.delete(id)) this.#wirer?.leave(id);
  }

  /**
   * A parked sandbox that is wired to a network, when there is one; it is the caller's, whose plan has to be made with
   * its place. Asking is what tells the pool that such ones are wanted.
   */
  claim(part: SharedPart, network: string): string | undefined {
    const shape = this.#wiredShape(part, network);
    if (shape === undefined) return undefined;
    const [id] = shape.parked;
    this.#shapes.want(shape, id === undefined);
    if (id === undefined) return undefined;
    shape.parked.delete(id);
    this.#claimed.add(id);
    this.#tidyLater();
    return id;
  }

  /** Gives up what was claimed and cannot be used. */
  drop(id: string): void {
    this.#claimed.delete(id);
    this.#drop(id, "kill");
  }

  #wiredShape(shared: SharedPart, network: string): Shape | undefined {
    const found = partOf(pooledPart(shared));
    if (found === undefined || this.#wirer === undefined) return undefined;
    const name = `${found.shape} in ${network}`;
    const leaves = shared.cgroups.leaves(shared.id);
    return this.#shapes.use(name, { part: found.part, leaves, network });
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
      this.#shapes.sleeps(request.id, shape);
      this.#soon();
    } else if (request.kind === "unroute" || request.kind === "unlisten") {
      this.#shapes.sleepsNoMore(request.id);
      this.#tidyLater();
    } else if (request.kind === "run") {
      this.#use(request.plan, request.id);
    }
  }

  #use(plan: readonly Op[], id: string): void {
    // What makes no process is over when it is answered; there is no event of it.
    if (!plan.some(({ kind }) => kind === "spawn")) return;
    const shape = this.#shapeOf(plan, id);
    const others = [...this.#starting.values()].filter((starting) => starting === shape).length;
    this.#starting.set(id, shape);
    if (shape !== undefined) this.#shapes.want(shape, shape.parked.size <= others);
  }

  #shapeOf(plan: readonly Op[], id: string): Shape | undefined {
    const found = partOf(plan);
    if (found === undefined || isWired(found.part)) return undefined;
    return this.#shapes.use(found.shape, { part: found.part, leaves: this.#cgroups.leaves(id) });
  }

  #happened(event: LauncherEvent): void {
    if (event.kind === "parked") {
      if (this.#making?.id === event.id) this.#making.shape.parked.add(event.id);
      // It was asked for before a reset, and nobody would ever claim or end it.
      else this.#drop(event.id, "kill");
      this.#made(event.id);
    } else if (event.kind === "taken") {
      this.#forget(event.id);
      this.#placed.delete(event.id);
    } else if (event.kind === "started" || event.kind === "failed" || event.kind === "exited") {
      this.#starting.delete(event.id);
      if (isAhead(event.id)) this.#ended(event);
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
    if (this.#placed.delete(id)) this.#wirer?.leave(id);
  }

  #made(id: string): void {
    if (this.#making?.id === id) this.#making = undefined;
    this.#soon();
    this.#tidyLater();
  }

  #forget(id: string): void {
    this.#claimed.delete(id);
    this.#shapes.forget(id);
  }

  /** It may be gone already. */
  #drop(id: string, kind: "kill" | "forget"): void {
    this.#launcher.request({ kind, id }).catch(() => {});
  }

  #soon(): void {
    if (this.#refill !== undefined || this.#shapes.next() === undefined) return;
    this.#refill = setTimeout(() => {
      this.#refill = undefined;
      if (this.#starting.size === 0 && this.#making === undefined) void this.#make();
    }, this.#limits.pauseMs);
  }

  async #make(): Promise<void> {
    const shape = this.#shapes.next();
    if (shape === undefined) return;
    const id = `${PREFIX}${randomBytes(ID_BYTES).toString("hex")}`;
    this.#making = { id, shape };
    try {
      const part = await this.#partOf(shape, id);
      if (this.#making?.id !== id) throw new ThawError("CANCELLED", "the pool began anew meanwhile");
      const plan = part.map((op) => renameLeaves(op, shape.leaves, id));
      await this.#launcher.request({ kind: "prepare", id, plan, cleanup: this.#cgroups.remove(id) });
    } catch {
      shape.wanted = 0;
      if (this.#placed.delete(id)) this.#wirer?.leave(id);
      this.#made(id);
    }
  }

  async #partOf({ part, leaves, network }: Shape, id: string): Promise<readonly Op[]> {
    if (network === undefined || this.#wirer === undefined) return part;
    // Before it has a place, so that nobody takes the place for one that was left over.
    this.#placed.add(id);
    const wiring = await this.#wirer.ahead(id, network);
    return wiredPart(part, leaves, wiring);
  }

  #tidyLater(): void {
    if (this.#shrink !== undefined || !(this.#claimed.size > 0 || this.#shapes.canShrink())) return;
    this.#shrink = setTimeout(() => {
      this.#shrink = undefined;
      this.#tidy();
      this.#tidyLater();
    }, this.#limits.keepMs);
    this.#shrink.unref();
  }

  #tidy(): void {
    // Whoever claimed it has failed since, or never came to its start.
    if (this.#starting.size === 0) for (const id of this.#claimed) this.drop(id);
    for (const id of this.#shapes.shrink(this.#limits.keepMs)) this.#drop(id, "kill");
  }
}
