/**
 * `thaw bench demo`: the whole of thaw in one run, with figures. A real service is built, started cold a few times,
 * checkpointed, and put asleep behind the gateway; then requests come, with pauses in which it falls asleep again.
 * A cold start is timed from the start of the container to the first good answer, a wake-up from connect to the first
 * byte of the answer; both by the same client. A daemon of its own in fresh directories does it all, so that nothing
 * of the user's is touched, and everything is removed at the end.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import Table from "cli-table3";
import { Command, InvalidArgumentError } from "commander";
import { loadCompose } from "../api/compose/load.ts";
import { resolveService } from "../api/compose/resolve.ts";
import type { BuildResult } from "../api/images.ts";
import type { ServiceAnswer } from "../api/thaw.ts";
import type { Context } from "../cli/context.ts";
import { makeContext } from "../cli/context.ts";
import { stopDaemon } from "../cli/stop-daemon.ts";
import { ThawError } from "../common/errors.ts";
import { askFor } from "./ask.ts";
import { removeContainer, startCold } from "./container.ts";
import { makeReport, PLAIN, publish } from "./report.ts";
import type { Report, Row } from "./schema.ts";
import { percentile, summarize } from "./stats.ts";
import { waitForService } from "./watch.ts";

interface DemoOptions {
  readonly starts: number;
  readonly wakes: number;
  readonly json?: boolean;
  readonly jsonFile?: string;
}

type Resolved = ReturnType<typeof resolveService>;

/** Shorter than in the example, so that the demo does not wait for sleep most of its time. */
const DEMO_IDLE_MS = 250;

export function demoCommand(): Command {
  return new Command("demo")
    .description("build, start cold, checkpoint, sleep and wake a real service, with figures")
    .argument("<directory>", "an example with a compose.yaml (examples/flask)")
    .option("--starts <n>", "cold starts to time", whole, 5)
    .option("--wakes <n>", "wake-ups to time", whole, 25)
    .option("--json", "print one JSON object")
    .option("--json-file <file>", "leave the JSON object in a file")
    .addHelpText(
      "after",
      "\nExamples:\n  thaw bench demo examples/flask\n  thaw bench demo --wakes 100 --json examples/flask",
    )
    .action(runDemo);
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,4}$/.test(text)) throw new InvalidArgumentError("expected a whole number above 0");
  return Number(text);
}

const say = (text: string) => console.error(text);

async function runDemo(directory: string, options: DemoOptions): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), "thaw-demo-"));
  process.env.THAW_DATA = join(home, "data");
  process.env.THAW_RUN = join(home, "run");
  const context = makeContext();
  try {
    const report = await perform(context, resolve(directory, "compose.yaml"), options);
    await publish(report, options);
    if (!options.json) printEnd(report);
  } finally {
    say("==> cleaning up");
    await stopDaemon(context.client, true).catch((error: unknown) => say(String(error)));
    await rm(home, { recursive: true, force: true });
  }
}

async function perform(context: Context, file: string, options: DemoOptions): Promise<Report> {
  const compose = await loadCompose(file);
  const [given] = compose.services;
  if (given === undefined) {
    throw new ThawError("INVALID", `${file} has no service`, { hint: "Name a directory such as examples/flask." });
  }
  const resolved = resolveService(given, "demo", file);
  const { client } = context;
  if (resolved.build !== undefined) {
    say(`==> building ${resolved.service.name}`);
    await client.progress<BuildResult>("buildCreate", { body: resolved.build }, (line) => say(`    ${line}`));
  }
  const path = resolved.service.warmup?.[0] ?? "/";
  const cold = await coldStarts(context, resolved, path, options.starts);
  const { wakes, phases, service, disk } = await wakeUps(context, resolved, path, options.wakes);
  const rows: Row[] = [
    summarize("cold-start", cold, "one after another", "start of the container to the first good answer"),
    summarize(
      "wake-up",
      wakes,
      `asleep again between two (idle ${DEMO_IDLE_MS} ms)`,
      `connect to first byte; tier: ${service.lastWake?.tier ?? service.tier}`,
    ),
  ];
  const [coldRow, wakeRow] = rows;
  return makeReport("demo", rows, {
    ratio: coldRow && wakeRow ? Math.round((coldRow.p50_ms / wakeRow.p50_ms) * 10) / 10 : 0,
    engine: service.engine,
    phases,
    memory_asleep_bytes: service.memoryBytes,
    checkpoint_disk_bytes: disk,
  });
}

async function coldStarts({ client }: Context, { service }: Resolved, path: string, count: number): Promise<number[]> {
  say(`==> ${count} cold starts`);
  const samples: number[] = [];
  const [port] = service.ports;
  if (port === undefined)
    throw new ThawError("INVALID", "the service publishes no port", { hint: "Give it `ports:`." });
  const { hostAddress: host, hostPort, containerPort } = port;
  const cold = { image: service.image, command: service.command, host, port: hostPort, containerPort };
  for (let i = 0; i < count; i++) {
    const { id, ms } = await startCold(client, cold, () => askFor(host, hostPort, path));
    samples.push(ms);
    say(`    ${ms.toFixed(1)} ms`);
    await removeContainer(client, id);
  }
  return samples;
}

async function wakeUps({ client }: Context, { service: input }: Resolved, path: string, count: number) {
  say("==> checkpointing it and putting it to sleep");
  const body = { ...input, idleMs: DEMO_IDLE_MS };
  const made = await client.progress<ServiceAnswer>("serviceUp", { body }, (line) => say(`    ${line}`));
  const [port] = made.spec.ports;
  if (port === undefined) throw new ThawError("INTERNAL", "the service lost its port");
  say(`==> ${count} wake-ups`);
  const wakes: number[] = [];
  const phases = new Map<string, number[]>();
  for (let i = 0; i < count; i++) {
    // In the tier "parked" it takes a moment until the next process waits.
    await waitForService(
      client,
      made.id,
      ({ state, tier, waiting }) => state === "asleep" && (tier !== "parked" || waiting),
    );
    wakes.push((await askFor(port.hostAddress, port.hostPort, path)).firstByteMs);
    const service = await waitForService(client, made.id, ({ wakes: counted }) => counted > i);
    if (service.lastWake?.result !== "restored") {
      throw new ThawError("RESTORE_FAILED", `wake-up ${i + 1} was not a restore: ${service.lastWake?.detail ?? "?"}`);
    }
    for (const { name, ms } of service.lastWake.phases) phases.set(name, [...(phases.get(name) ?? []), ms]);
  }
  const service = await waitForService(client, made.id, ({ state }) => state === "asleep");
  const checkpoints = await client.json<{ sizeBytes: number }[]>("checkpointList");
  const disk = checkpoints.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return { wakes, service, disk, phases: medians(phases) };
}

/** Median ms since the connection arrived at which each phase was over. */
function medians(phases: ReadonlyMap<string, readonly number[]>): Record<string, number> {
  const entries = [...phases].map(([name, samples]): [string, number] => {
    return [
      name,
      Math.round(
        percentile(
          samples.toSorted((a, b) => a - b),
          0.5,
        ) * 1000,
      ) / 1000,
    ];
  });
  return Object.fromEntries(entries.toSorted((a, b) => a[1] - b[1]));
}

const PHASES: Readonly<Record<string, string>> = {
  sandbox: "namespaces, cgroups and root are ready",
  engine: "the restore engine starts",
  restored: "the service's process runs again",
  connected: "it accepts the first connection",
  first_byte: "the first byte of its answer passes",
};

function printEnd({ extra = {} }: Report): void {
  const table = new Table({ head: ["wake-up, median", "ms since the connection"], ...PLAIN });
  for (const [name, ms] of Object.entries(extra.phases ?? {})) table.push([PHASES[name] ?? name, String(ms)]);
  console.log(table.toString());
  console.log(`cold start / wake-up, p50: ${extra.ratio}x (engine: ${extra.engine})`);
  const disk = (Number(extra.checkpoint_disk_bytes) / 2 ** 20).toFixed(1);
  console.log(
    `memory held by the sleeping service: ${extra.memory_asleep_bytes} bytes; its checkpoint on disk: ${disk} MB`,
  );
}
