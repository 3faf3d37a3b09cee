/**
 * Latencies out of the launcher's `loop`: it runs one plan again and again, in its own process, and writes the
 * nanoseconds of each run. Plans go in as files, because that is what a program started by us can be given.
 */
import { mkdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { encodePlan, type Op } from "../../launcher/generated/protocol.ts";
import { findLauncher } from "../../launcher/index.ts";

/** What is run again and again. */
export interface Loop {
  readonly plan: readonly Op[];
  /** Undoes what the plan made; its time counts. */
  readonly cleanup?: readonly Op[];
  /** Makes a sandbox that stays and that the plan may join. */
  readonly beside?: readonly Op[];
  /** Make the part of the plan that can be made ahead before the time of each run begins. */
  readonly ahead?: boolean;
  /** A command that runs the loop in surroundings of its own. */
  readonly prefix?: readonly string[];
}

export interface LoopOptions extends Loop {
  /** Directory for the plan's file and the stage on which roots are built. */
  readonly directory: string;
  /** One of them ends the loop. */
  readonly seconds?: number;
  readonly count?: number;
  /** Microseconds from one start to the next; 0: at once. */
  readonly intervalUs: number;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** Runs a plan repeatedly; resolves with each run's milliseconds. @throws ThawError LAUNCHER_FAILED. */
export async function loopPlan(options: LoopOptions): Promise<number[]> {
  mkdirSync(stageOf(options), { recursive: true });
  const file = join(options.directory, `plan-${crypto.randomUUID()}`);
  const plans = { "": options.plan, ".undo": options.cleanup ?? [], ".beside": options.beside ?? [] };
  const files = Object.keys(plans).map((end) => `${file}${end}`);
  try {
    for (const [end, plan] of Object.entries(plans)) await Bun.write(`${file}${end}`, encodePlan(plan));
    return await runLoop(options, file);
  } finally {
    for (const path of files) await rm(path, { force: true });
  }
}

async function runLoop(options: LoopOptions, file: string): Promise<number[]> {
  const script = 'exec "$0" "$@" 3<"$THAW_PLAN" 4<"$THAW_PLAN.undo" 5<"$THAW_PLAN.beside"';
  const child = Bun.spawn(["sh", "-c", script, ...(options.prefix ?? []), ...loopArgv(options)], {
    env: { ...process.env, THAW_PLAN: file },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  const [bytes, errors] = await Promise.all([
    new Response(child.stdout).arrayBuffer(),
    new Response(child.stderr).text(),
  ]);
  const exitCode = await child.exited;
  options.signal?.throwIfAborted();
  if (exitCode === 0) return cut(new DataView(bytes));
  throw new ThawError("LAUNCHER_FAILED", errors.trim() || `the launcher's loop ended with ${exitCode}`, {
    hint: "Run as root, on a machine with the namespaces and cgroups that containers need.",
  });
}

function loopArgv(options: LoopOptions): string[] {
  const limits = [
    ...(options.seconds === undefined ? [] : ["--seconds", String(options.seconds)]),
    ...(options.count === undefined ? [] : ["--count", String(options.count)]),
    ...(options.ahead ? ["--ahead"] : []),
    ...(options.beside === undefined ? [] : ["--beside-fd", "5"]),
    ...(options.intervalUs > 0 ? ["--interval-us", String(options.intervalUs)] : []),
  ];
  return [findLauncher(), "loop", "--plan-fd", "3", "--cleanup-fd", "4", "--stage", stageOf(options), ...limits];
}

/** A directory of its own: what is covered while a root is built cannot be bound into it. */
function stageOf({ directory }: LoopOptions): string {
  return join(directory, "stage");
}

const SAMPLE_BYTES = 8;
const NS_PER_MS = 1e6;

function cut(view: DataView): number[] {
  const count = Math.floor(view.byteLength / SAMPLE_BYTES);
  return Array.from({ length: count }, (_, at) => Number(view.getBigUint64(at * SAMPLE_BYTES, true)) / NS_PER_MS);
}
