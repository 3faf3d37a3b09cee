/** From samples to rows: `<engine>/<tier>/<MB>/<step>`, for both paces. */
import { missing } from "../engines.ts";
import { median } from "../phases.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";
import type { Sample } from "./sample.ts";
import type { Dump } from "./woken.ts";

export const STEPS = ["dump", "lean", "restore", "execution"] as const;
export type Step = (typeof STEPS)[number];

/** What the benchmark's forerunner reports of its own machine, in ms by MB. */
export const FORERUNNER: Readonly<Record<Step, Readonly<Record<number, number>>>> = {
  dump: { 1: 12.7, 4: 14.4, 16: 21.5, 64: 46.5, 256: 158.2, 1024: 514.9 },
  lean: { 1: 6, 4: 6, 16: 6, 64: 6, 256: 6, 1024: 6 },
  restore: { 1: 5, 4: 5, 16: 5.2, 64: 5.2, 256: 5.2, 1024: 5.6 },
  execution: { 1: 0.72, 4: 3, 16: 12.7, 64: 55, 256: 188, 1024: 744 },
};

/** What exactly is timed. */
export const MEANING: Readonly<Record<"packaged" | "woken", Readonly<Record<Step, string>>>> = {
  packaged: {
    dump: "`criu dump`, the whole command",
    lean: "unshare and a shell in new mnt, pid, ipc, uts namespaces",
    restore: "from there, `criu restore`, to the process's first look at the clock",
    execution: "one write to each page, by the process's clock",
  },
  woken: {
    dump: "asked for until complete on disk with digests; frozen: how long the process stood still",
    lean: "the launcher saw the connection until the sandbox had its root",
    restore: "client begins to connect, less `lean`, to the process's first look at the clock",
    execution: "one write to each page, by the process's clock",
  },
};

export interface Cell {
  /** `<engine>/<tier>`. */
  readonly name: string;
  readonly megabytes: number;
  readonly kind: "packaged" | "woken";
  /** More for the rows of its samples. */
  readonly params?: () => Record<string, number>;
}

function describe({ name, megabytes, kind }: Cell, step: Step) {
  const [engine = "", tier = ""] = name.split("/");
  const forerunner = FORERUNNER[step][megabytes];
  return {
    name: `${name}/${megabytes}/${step}`,
    note: MEANING[kind][step],
    params: { engine, tier, mb: megabytes, step, ...(forerunner === undefined ? {} : { forerunner_ms: forerunner }) },
  };
}

/** Rows of one pace. */
export function sampleRows(cell: Cell, samples: readonly Sample[], pace: string): Row[] {
  const steps = STEPS.filter((step) => step !== "dump" || samples.some((sample) => sample.dump !== undefined));
  return steps.map((step) => {
    const { name, note, params } = describe(cell, step);
    const values = samples.flatMap((sample) => sample[step] ?? []);
    const warm = step === "execution" ? { warm_ms: median(samples.map((sample) => sample.warm)) } : {};
    return { ...summarize(name, values, pace, note), params: { ...params, ...warm, ...cell.params?.() } };
  });
}

/** The row of checkpoints that were made apart from restores. */
export function dumpRow(cell: Cell, dumps: readonly Dump[]): Row {
  const { name, note, params } = describe(cell, "dump");
  const whole = dumps.map(({ wholeMs }) => wholeMs);
  const frozen = median(dumps.map(({ frozenMs }) => frozenMs));
  return { ...summarize(name, whole, "one after another", note), params: { ...params, frozen_ms: frozen } };
}

/** Rows that say why there are no others; `steps` of them. */
export function missingRows(cell: Cell, pace: string, reason: string, steps: readonly Step[] = STEPS): Row[] {
  return steps.map((step) => {
    const { name, params } = describe(cell, step);
    return { ...missing(name, pace, reason), params };
  });
}
