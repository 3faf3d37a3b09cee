/**
 * Latencies out of the launcher's `loop`: it runs one plan again and again, in its own process, and writes the
 * nanoseconds of each run. Plans go in as files, because that is what a program started by us can be given.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import { encodePlan, type Op } from "../launcher/generated/protocol.ts";
import { findLauncher } from "../launcher/index.ts";

export interface LoopOptions {
  readonly plan: readonly Op[];
  /** Undoes what the plan made; its time counts. */
  readonly cleanup?: readonly Op[];
  /** Directory for the plan's file and the stage on which roots are built. */
  readonly directory: string;
  readonly seconds?: number;
  readonly count?: number;
  /** Microseconds from one start to the next; 0: at once. */
  readonly intervalUs: number;
  /** Make the part of the plan that can be made ahead before the time of each run begins. */
  readonly ahead?: boolean;
  /** Called about once a second with the samples (ms) that came since. */
  readonly onSecond?: (samples: readonly number[], seconds: number) => void;
}

/** Runs a plan repeatedly; resolves with each run's milliseconds. @throws ThawError LAUNCHER_FAILED. */
export async function loopPlan(options: LoopOptions): Promise<number[]> {
  mkdirSync(stageOf(options), { recursive: true });
  const file = join(options.directory, `plan-${crypto.randomUUID()}`);
  await Bun.write(file, encodePlan(options.plan));
  await Bun.write(`${file}.undo`, encodePlan(options.cleanup ?? []));
  const child = Bun.spawn(["sh", "-c", 'exec "$0" "$@" 3<"$THAW_PLAN" 4<"$THAW_PLAN.undo"', ...loopArgv(options)], {
    env: { ...process.env, THAW_PLAN: file },
    stdout: "pipe",
    stderr: "pipe",
  });
  const samples = await collect(child.stdout, options.onSecond);
  if ((await child.exited) === 0) return samples;
  throw new ThawError(
    "LAUNCHER_FAILED",
    (await new Response(child.stderr).text()).trim() || "the launcher's loop failed",
    {
      hint: "Run as root, on a machine with the namespaces and cgroups that containers need.",
    },
  );
}

function loopArgv(options: LoopOptions): string[] {
  const limits = [
    ...(options.seconds === undefined ? [] : ["--seconds", String(options.seconds)]),
    ...(options.count === undefined ? [] : ["--count", String(options.count)]),
    ...(options.ahead ? ["--ahead"] : []),
    ...(options.intervalUs > 0 ? ["--interval-us", String(options.intervalUs)] : []),
  ];
  return [findLauncher(), "loop", "--plan-fd", "3", "--cleanup-fd", "4", "--stage", stageOf(options), ...limits];
}

/** A directory of its own: what is covered while a root is built cannot be bound into it. */
function stageOf({ directory }: LoopOptions): string {
  return join(directory, "stage");
}

const SAMPLE_BYTES = 8;

async function collect(stream: ReadableStream<Uint8Array>, onSecond?: LoopOptions["onSecond"]): Promise<number[]> {
  const samples: number[] = [];
  let rest = new Uint8Array(0);
  let told = 0;
  let since = performance.now();
  for await (const chunk of stream) {
    const bytes = new Uint8Array(Buffer.concat([rest, chunk]));
    const whole = bytes.length - (bytes.length % SAMPLE_BYTES);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < whole; at += SAMPLE_BYTES) samples.push(Number(view.getBigUint64(at, true)) / 1e6);
    rest = bytes.slice(whole);
    const elapsed = (performance.now() - since) / 1000;
    if (elapsed < 1) continue;
    onSecond?.(samples.slice(told), elapsed);
    told = samples.length;
    since = performance.now();
  }
  return samples;
}
