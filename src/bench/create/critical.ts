/**
 * The critical path, which the lean-container literature measures: make the container, its process exits at once, wait
 * for it; timed inside the launcher, around the very code that `thaw run` uses.
 */
import { thawPaths } from "../../common/paths.ts";
import {
  Cgroups,
  cleanupPlan,
  DEFAULT_CAPABILITIES,
  detectCgroups,
  type LeanOptions,
  leanPlan,
  SeccompFilters,
  sharedLeanPlans,
} from "../../sandbox/index.ts";

import { type Lane, type Slice, warm } from "./lanes.ts";
import { type Loop, loopPlan } from "./samples.ts";

/** What each row has. Where nothing else is said it has what `private` has. */
export const CRITICAL = {
  "shared-namespaces": "joins namespaces, cgroup leaves and root of a sandbox that stays",
  private: "own mnt, pid, ipc, uts, cgroup; joins cgroup leaves; root with /proc",
  "private-unfiltered": "without a seccomp filter",
  "private-net": "and a network namespace with loopback up",
  userns: "in a user namespace, its root idmapped",
  pooled: "its namespaces, leaves and /proc were made ahead",
  "pooled-net": "and a network namespace made ahead",
  "fresh-cgroup": "its cgroup leaves made and removed each time",
  "exec-true": "runs /bin/true in it",
} as const;

export type CriticalName = keyof typeof CRITICAL;

/** Rows that are not also measured several at a time. */
const ALONE: readonly CriticalName[] = ["private-unfiltered", "fresh-cgroup", "exec-true"];

export interface CriticalOptions {
  readonly only: readonly CriticalName[];
  readonly root: string;
  /** A directory of the benchmark's own. */
  readonly directory: string;
  /** How long a slice lasts. */
  readonly sliceSeconds: number;
  readonly pacedMs: number;
  /** How many are made at a time, back to back. */
  readonly atOnce: readonly number[];
  readonly signal: AbortSignal;
}

/** Any will do: nothing is left that has them. */
const BENCH_IDS = { first: 2 ** 30, count: 65_536 };
/** Runs at the beginning of a slice that do not count. */
const WARM_UP = { backToBack: 10, paced: 3 };
const US_PER_MS = 1000;

/** The lanes, and what removes the cgroups that they use. */
export async function criticalLanes(options: CriticalOptions): Promise<{ lanes: Lane[]; remove: () => Promise<void> }> {
  const { directory, root, only } = options;
  const cgroups = new Cgroups(detectCgroups(), directory);
  const filter = await new SeccompFilters(thawPaths()).of("default", DEFAULT_CAPABILITIES);
  await cgroups.prepare();
  const loopOf = (name: CriticalName, id: string) => makeLoop(name, { id, cgroups, root, filter });
  const remove = async () => {
    for (const id of idsOf(options)) {
      await loopPlan({ plan: cleanupPlan(cgroups, id), directory, count: 1, intervalUs: 0 });
    }
    await cgroups.removeParents();
  };
  return { lanes: only.flatMap((name) => lanesOf(name, (id) => loopOf(name, id), options)), remove };
}

function makeLoop(name: CriticalName, lean: LeanOptions): Loop {
  switch (name) {
    case "shared-namespaces": {
      const { sandbox, member } = sharedLeanPlans(lean);
      return { beside: sandbox, plan: member };
    }
    case "private":
      return { plan: leanPlan(lean) };
    case "private-unfiltered":
      return { plan: leanPlan({ ...lean, filter: undefined }) };
    case "private-net":
      return { plan: leanPlan({ ...lean, network: true }) };
    case "userns":
      return { plan: leanPlan({ ...lean, ids: BENCH_IDS }) };
    case "pooled":
      return { plan: leanPlan(lean), ahead: true };
    case "pooled-net":
      return { plan: leanPlan({ ...lean, network: true }), ahead: true };
    case "fresh-cgroup":
      return { plan: leanPlan(lean), cleanup: cleanupPlan(lean.cgroups, lean.id) };
    case "exec-true":
      return { plan: leanPlan({ ...lean, argv: ["/bin/true"], env: ["PATH=/bin"] }) };
  }
}

/** One launcher each of those that work at a time. */
function idsOf({ atOnce }: CriticalOptions): string[] {
  return Array.from({ length: Math.max(1, ...atOnce) }, (_, index) => `bench-${index}`);
}

function lanesOf(name: CriticalName, loopOf: (id: string) => Loop, options: CriticalOptions): Lane[] {
  const { atOnce, pacedMs } = options;
  const loops = idsOf(options).map(loopOf);
  const lane = (pace: string, width: number, slice: () => Promise<Slice>): Lane => {
    return { name, pace, params: { kind: "critical-path", at_once: width }, note: CRITICAL[name], slice };
  };
  const widths = atOnce.filter((width) => width === 1 || !ALONE.includes(name));
  return [
    ...widths.map((width) => lane("back-to-back", width, () => parallel(loops.slice(0, width), options))),
    lane(`one every ${pacedMs} ms`, 1, () => paced(loopOf("bench-0"), options)),
  ];
}

async function parallel(loops: readonly Loop[], options: CriticalOptions): Promise<Slice> {
  const { directory, sliceSeconds: seconds, signal } = options;
  const all = await Promise.all(loops.map((loop) => loopPlan({ ...loop, directory, seconds, intervalUs: 0, signal })));
  const runs = all.reduce((sum, { length }) => sum + length, 0);
  return { samples: all.flatMap((samples) => warm(samples, WARM_UP.backToBack)), rate: { runs, seconds } };
}

async function paced(loop: Loop, options: CriticalOptions): Promise<Slice> {
  const { directory, sliceSeconds: seconds, pacedMs, signal } = options;
  const samples = await loopPlan({ ...loop, directory, seconds, intervalUs: pacedMs * US_PER_MS, signal });
  return { samples: warm(samples, WARM_UP.paced) };
}
