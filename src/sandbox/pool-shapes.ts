/** Which shapes of sandboxes are in use, how many of each shall be ready, and which are. `pool.ts` makes and ends them. */
import type { Op } from "../launcher/generated/protocol.ts";

/** How many may be parked: of one shape, and of all. */
export interface PoolBounds {
  readonly each: number;
  readonly all: number;
}

/** What all sandboxes of a shape have in common, and how many there are of it. */
export interface Shape {
  readonly name: string;
  /** The network it is wired to. */
  readonly network?: string;
  readonly part: readonly Op[];
  /** The leaves that stand in `part`. */
  readonly leaves: readonly string[];
  wanted: number;
  readonly parked: Set<string>;
  /** As `performance.now()` tells it. */
  usedAt: number;
}

/** The shapes of one pool. */
export class Shapes {
  readonly #bounds: PoolBounds;
  readonly #shapes = new Map<string, Shape>();
  /** Listeners whose sleeping service would want a shape, and its name. */
  readonly #asleep = new Map<string, string>();

  constructor(bounds: PoolBounds) {
    this.#bounds = bounds;
  }

  /** How many are parked, by shape. */
  sizes(): ReadonlyMap<string, number> {
    return new Map([...this.#shapes].map(([name, { parked }]) => [name, parked.size]));
  }

  clear(): void {
    this.#shapes.clear();
    this.#asleep.clear();
  }

  /** The shape of that name, which somebody uses now. */
  use(name: string, fresh: Pick<Shape, "part" | "leaves" | "network">): Shape {
    const known = this.#shapes.get(name);
    const usedAt = performance.now();
    if (known !== undefined) return Object.assign(known, { usedAt });
    const shape: Shape = { name, ...fresh, wanted: 0, parked: new Set<string>(), usedAt };
    this.#shapes.set(name, shape);
    return shape;
  }

  /** Somebody starts one; when it was missing, more shall be there the next time. */
  want(shape: Shape, isMissing: boolean): void {
    shape.wanted = Math.min(this.#bounds.each, Math.max(1, isMissing ? shape.wanted * 2 : shape.wanted));
  }

  /** A sleeping service would want it. */
  sleeps(listener: string, shape: Shape): void {
    this.#asleep.set(listener, shape.name);
    shape.wanted = Math.max(1, shape.wanted);
  }

  sleepsNoMore(listener: string): void {
    this.#asleep.delete(listener);
  }

  /** The shape that lacks most; undefined when nothing is to be made. */
  next(): Shape | undefined {
    const all = [...this.#shapes.values()];
    if (all.reduce((sum, { parked }) => sum + parked.size, 0) >= this.#bounds.all) return undefined;
    const lacking = all.filter(({ wanted, parked }) => parked.size < wanted);
    return lacking.toSorted((a, b) => a.parked.size - b.parked.size)[0];
  }

  /** It is taken, or gone. */
  forget(id: string): void {
    for (const { parked } of this.#shapes.values()) parked.delete(id);
  }

  /** Takes the shapes of a network out. @returns what is parked of them. */
  leaveNetwork(network: string): string[] {
    const shapes = [...this.#shapes.values()].filter((shape) => shape.network === network);
    for (const { name } of shapes) this.#shapes.delete(name);
    return shapes.flatMap(({ parked }) => [...parked]);
  }

  /** Whether there is more than an idle daemon keeps. */
  canShrink(): boolean {
    return [...this.#shapes.values()].some((shape) => Math.max(shape.wanted, shape.parked.size) > this.#least(shape));
  }

  /** Halves what nobody has used for `keepMs`. @returns those that are parked and not wanted any more. */
  shrink(keepMs: number): string[] {
    const now = performance.now();
    return [...this.#shapes.values()].flatMap((shape) => {
      if (now - shape.usedAt < keepMs) return [];
      shape.wanted = Math.max(this.#least(shape), shape.wanted >> 1);
      if (shape.wanted === 0 && shape.parked.size === 0) this.#shapes.delete(shape.name);
      return [...shape.parked].slice(shape.wanted);
    });
  }

  #least({ name }: Shape): number {
    return [...this.#asleep.values()].includes(name) ? 1 : 0;
  }
}
