/** Many instances of one program alive at a time: made, measured, asked, measured again, removed. */
import type { ApiClient } from "../../api/client.ts";
import { thawPaths } from "../../common/paths.ts";
import { Cgroups, detectCgroups } from "../../sandbox/index.ts";
import { removeContainer } from "../container.ts";
import { allOf } from "../soak/processes.ts";
import { inTurns } from "../turns.ts";
import { expectAnswer, type Instance } from "./instance.ts";
import { availableBytes, chargedTo, holdingOf } from "./memory.ts";

export interface Fleet {
  readonly client: ApiClient;
  readonly instances: number;
  readonly atOnce: number;
  /** Makes one; resolves when it listens. */
  readonly start: (number: number) => Promise<Instance>;
  /** What each answers to its first request. */
  readonly answer: number;
  readonly signal: AbortSignal;
}

/** Bytes, means over all instances where nothing else is said. */
export interface Cost {
  readonly pss: number;
  readonly rss: number;
  readonly private: number;
  readonly page_tables: number;
  readonly cgroup: number;
  /** The launcher and all processes below it, templates among them, with their page tables: of all instances together. */
  readonly all: number;
}

export interface FleetResult {
  readonly startMs: readonly number[];
  readonly perSecond: number;
  readonly idle: Cost;
  /** After each has answered a request. */
  readonly asked: Cost;
  /** Whether there were not so many because of the machine's memory. */
  readonly cutShort: boolean;
}

/** So much of what is available at the beginning stays so. */
const RESERVE = 0.6;
const REMOVED_AT_ONCE = 4;
const MS = 1000;

/** @throws ThawError when one does not start, or does not answer as it should. */
export async function measureFleet(fleet: Fleet): Promise<FleetResult> {
  const { client, atOnce, signal, answer } = fleet;
  const made: Instance[] = [];
  const floor = availableBytes() * RESERVE;
  try {
    const from = performance.now();
    const startMs = await inTurns(numbers(fleet.instances, floor), atOnce, signal, async (number) => {
      const begun = performance.now();
      made.push(await fleet.start(number));
      return performance.now() - begun;
    });
    const perSecond = (made.length / (performance.now() - from)) * MS;
    const idle = costOf(made);
    await inTurns(made, atOnce, signal, (instance) => expectAnswer(instance, answer));
    return { startMs, perSecond, idle, asked: costOf(made), cutShort: made.length < fleet.instances };
  } finally {
    // Also after an interrupt: what was made has to go.
    const anyway = new AbortController().signal;
    await inTurns(made, REMOVED_AT_ONCE, anyway, ({ id }) => removeContainer(client, id));
  }
}

/** 0, 1, 2 ... for as long as there is memory. */
function* numbers(count: number, floor: number): Generator<number> {
  for (let number = 0; number < count && availableBytes() > floor; number++) yield number;
}

function costOf(instances: readonly Instance[]): Cost {
  const paths = thawPaths();
  const cgroups = new Cgroups(detectCgroups(), paths.run);
  const held = instances.map(({ pid }) => holdingOf(pid));
  const mean = (values: readonly (number | undefined)[]) => {
    return Math.round(values.reduce((sum: number, value) => sum + (value ?? 0), 0) / Math.max(1, values.length));
  };
  const all = allOf(paths, []).map(({ pid }) => holdingOf(pid));
  return {
    pss: mean(held.map((one) => one?.pss)),
    rss: mean(held.map((one) => one?.rss)),
    private: mean(held.map((one) => one?.private)),
    page_tables: mean(held.map((one) => one?.pageTables)),
    cgroup: mean(instances.map(({ id }) => chargedTo(cgroups.leaves(id)))),
    all: all.reduce((sum, one) => sum + (one === undefined ? 0 : one.pss + one.pageTables), 0),
  };
}
