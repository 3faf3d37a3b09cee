/** Instances of one checkpoint, by engine and tier, and instances that were started cold. */
import type { ApiClient } from "../../api/client.ts";
import type { ContainerDetails } from "../../api/containers.ts";
import type { CheckpointAnswer } from "../../api/thaw.ts";
import { asThawError } from "../../common/errors.ts";
import { removeContainer } from "../container.ts";
import { withDaemon } from "../daemon.ts";
import { type Combination, inTier, missing, nameOf, refusal } from "../engines.ts";
import { buildPythonImage, pythonCommand } from "../python/image.ts";
import { makePythonRoot, PROGRAMS, type PythonRoot } from "../python/root.ts";
import type { Row } from "../schema.ts";
import { summarize } from "../stats.ts";
import { type Cost, type FleetResult, measureFleet } from "./fleet.ts";
import { expectAnswer, type Instance, untilListening } from "./instance.ts";

/** A program and how many of it. */
export interface Subject {
  readonly name: string;
  readonly megabytes: number;
  readonly instances: number;
}

export interface DensityBench {
  readonly subjects: readonly Subject[];
  readonly combinations: readonly Combination[];
  /** Cold instances of each subject, at most. */
  readonly cold: number;
  readonly atOnce: number;
  readonly signal: AbortSignal;
  /** A directory of the benchmark's own. */
  readonly directory: string;
}

export interface Density {
  readonly rows: Row[];
  /** By a row's name. */
  readonly memory: Record<string, { instances: number; idle: Cost; asked: Cost }>;
}

const CHECKPOINT = "bench-density";
const COLD = "create and start a container until it listens";
const RESTORED = "restore a container of the checkpoint until it listens";

/** Measures everything; rows are named <subject>/<engine>/<tier>/start and <subject>/cold/start. */
export async function measureDensity(bench: DensityBench): Promise<Density> {
  const density: Density = { rows: [], memory: {} };
  const root = await makePythonRoot(`${bench.directory}/root`);
  let coldIsDone = false;
  for (const [engine, combinations] of Map.groupBy(bench.combinations, (one) => one.engine)) {
    await withDaemon(bench.directory, engine, async ({ client }) => {
      const image = await buildPythonImage(client, root, bench.directory);
      for (const subject of bench.subjects) {
        const work = { client, image, root, subject };
        if (!coldIsDone) await measureCold(work, bench, density);
        await measureRestored(work, combinations, bench, density);
      }
      coldIsDone = true;
    });
  }
  return density;
}

interface Work {
  readonly client: ApiClient;
  readonly image: string;
  readonly root: PythonRoot;
  readonly subject: Subject;
}

async function measureCold(work: Work, bench: DensityBench, density: Density): Promise<void> {
  const start = () => startOne(work);
  const instances = Math.min(bench.cold, work.subject.instances);
  const fleet = () => measureFleet({ ...bench, client: work.client, instances, start, answer: 1 });
  await gather(`${work.subject.name}/cold/start`, COLD, { subject: work.subject.name }, fleet, bench, density);
}

async function measureRestored(
  work: Work,
  combinations: readonly Combination[],
  bench: DensityBench,
  density: Density,
): Promise<void> {
  const { client, subject } = work;
  const checkpoint = await makeCheckpoint(work);
  try {
    for (const combination of combinations) {
      const name = `${subject.name}/${nameOf(combination)}/start`;
      const params = { subject: subject.name, ...combination };
      const wrong = refusal(checkpoint, combination.engine);
      if (wrong !== undefined) {
        density.rows.push({ ...missing(name, paceOf(bench), wrong), params });
        continue;
      }
      const start = () => restoreOne(client, combination);
      // One was asked before the checkpoint.
      const fleet = () => measureFleet({ ...bench, client, instances: subject.instances, start, answer: 2 });
      await gather(name, RESTORED, params, fleet, bench, density);
    }
  } finally {
    await client.json("checkpointRemove", { params: { name: CHECKPOINT } });
  }
}

const paceOf = ({ atOnce }: DensityBench) => `${atOnce} at a time, back-to-back`;

async function gather(
  name: string,
  note: string,
  params: NonNullable<Row["params"]>,
  measure: () => Promise<FleetResult>,
  bench: DensityBench,
  { rows, memory }: Density,
): Promise<void> {
  console.error(`==> ${name}`);
  try {
    const { startMs, perSecond, idle, asked, cutShort } = await measure();
    const why = cutShort ? `${note}; no more for want of memory` : note;
    const rounded = Math.round(perSecond * 10) / 10;
    rows.push({ ...summarize(name, startMs, paceOf(bench), why), per_second: rounded, params });
    memory[name] = { instances: startMs.length, idle, asked };
  } catch (error) {
    bench.signal.throwIfAborted();
    rows.push({ ...missing(name, paceOf(bench), asThawError(error).message), params });
  }
}

async function startOne({ client, image, root, subject }: Work): Promise<Instance> {
  const command = pythonCommand(root, PROGRAMS.serve, String(subject.megabytes));
  const body = { Image: image, Cmd: command, HostConfig: { NetworkMode: "none" } };
  const { Id: id } = await client.json<{ Id: string }>("containerCreate", { body });
  await client.json("containerStart", { params: { id } });
  return listening(client, await client.json<ContainerDetails>("containerInspect", { params: { id } }));
}

async function restoreOne(client: ApiClient, { tier }: Combination): Promise<Instance> {
  const details = await inTier(tier, (body) => {
    return client.json<ContainerDetails>("checkpointRestore", { params: { name: CHECKPOINT }, body });
  });
  return listening(client, details);
}

/** One that never listens is in nobody's list, so it is removed here. */
async function listening(client: ApiClient, { Id: id, State }: ContainerDetails): Promise<Instance> {
  const instance = { id, pid: State.Pid };
  try {
    await untilListening(instance);
    return instance;
  } catch (error) {
    await removeContainer(client, id);
    throw error;
  }
}

async function makeCheckpoint(work: Work): Promise<CheckpointAnswer> {
  const { client } = work;
  const instance = await startOne(work);
  try {
    await expectAnswer(instance, 1);
    return await client.json<CheckpointAnswer>("checkpointCreate", {
      body: { container: instance.id, name: CHECKPOINT },
    });
  } finally {
    await removeContainer(client, instance.id);
  }
}
