/**
 * Making a service's checkpoint: one cold start in a container of its own, waiting until the condition holds,
 * warm-up requests, quiet, dump. Nothing of it is left but the checkpoint, and after a failure not even that.
 */
import type { Checkpoints } from "../checkpoint/index.ts";
import { asThawError, ThawError } from "../common/errors.ts";
import type { Container, ContainerManager, ContainerSpec } from "../container/types.ts";
import type { Probe, ServiceGateway } from "./ports.ts";
import { untilQuiet } from "./quiet.ts";
import { awaitReady } from "./readiness.ts";
import type { ServiceSpec } from "./types.ts";

/** On containers that are started only to be dumped: which service for. */
export const PREPARING_LABEL = "thaw.preparing";

export interface Preparation {
  readonly service: string;
  readonly spec: ServiceSpec;
  readonly container: ContainerSpec;
  /** Name of the checkpoint to make. */
  readonly checkpoint: string;
}

export interface PrepareDeps {
  readonly containers: ContainerManager;
  readonly checkpoints: Checkpoints;
  readonly gateway: ServiceGateway;
}

const LOG_LINES = 10;
const LOG_CHARACTERS = 1500;

/**
 * Makes the checkpoint.
 * @throws ThawError NOT_READY, START_FAILED, CHECKPOINT_FAILED, NO_SPACE.
 */
export async function prepareCheckpoint(
  deps: PrepareDeps,
  work: Preparation,
  progress: (line: string) => void,
): Promise<void> {
  const name = `${work.checkpoint}-start`;
  const labels = { ...work.container.labels, [PREPARING_LABEL]: work.service };
  progress("cold start");
  const { id } = await deps.containers.create({ ...work.container, name, labels, ports: [], autoRemove: false });
  try {
    const container = await deps.containers.start(id);
    await untilReady(deps, work, container, progress);
    progress("checkpoint");
    await deps.checkpoints.create(id, work.checkpoint, { askAgain: (restored) => askAgain(deps, work, restored) });
  } finally {
    await deps.containers.remove(id, { force: true }).catch(() => {});
  }
}

async function untilReady(
  deps: PrepareDeps,
  work: Preparation,
  container: Container,
  progress: (line: string) => void,
) {
  const { spec } = work;
  const ended = new AbortController();
  const deadline = AbortSignal.timeout(spec.readyTimeoutMs);
  const signal = AbortSignal.any([deadline, ended.signal]);
  const stopWaiting = new AbortController();
  deps.containers.wait(container.id, stopWaiting.signal).then(
    async ({ exitCode }) => ended.abort(await endedError(deps, work, container.id, exitCode)),
    () => {},
  );
  const probes: Probe[] = [];
  try {
    for (const port of spec.ports) {
      probes.push(await deps.gateway.probe(container.id, port.containerPort, spec.readyTimeoutMs));
    }
    await readyAndWarm(deps, work, container.id, probes, signal, progress);
  } catch (error) {
    if (ended.signal.aborted) throw ended.signal.reason;
    if (deadline.aborted) throw await lateError(deps, work, container.id, error);
    throw error;
  } finally {
    stopWaiting.abort();
    for (const probe of probes) await probe.close();
  }
  await untilQuiet(container.pid);
}

/** The warm-up requests to a process that was restored for a try; what it answers is known by then. */
async function askAgain(deps: PrepareDeps, { spec }: Preparation, container: string): Promise<void> {
  const [port] = spec.ports;
  if (port === undefined) return;
  const signal = AbortSignal.timeout(spec.readyTimeoutMs);
  const probe = await deps.gateway.probe(container, port.containerPort, spec.readyTimeoutMs);
  try {
    await probe.connected(signal);
    for (const path of spec.warmup) await probe.get(path, signal);
  } finally {
    await probe.close();
  }
}

async function readyAndWarm(
  deps: PrepareDeps,
  { spec }: Preparation,
  container: string,
  probes: readonly Probe[],
  signal: AbortSignal,
  progress: (line: string) => void,
): Promise<void> {
  const [first, ...others] = probes;
  if (!first) throw new ThawError("INVALID", "a service without ports cannot be awaited");
  progress(`waiting until ${describe(spec)}`);
  const logs = (stop: AbortSignal) => deps.containers.logs(container, { follow: true, signal: stop });
  await awaitReady(spec.checkpoint, { probe: first, logs }, signal);
  for (const probe of others) await probe.connected(signal);
  for (const path of spec.warmup) {
    const status = await first.get(path, signal);
    progress(`warm-up GET ${path}: ${status}`);
  }
}

function describe(spec: ServiceSpec): string {
  const { checkpoint } = spec;
  switch (checkpoint.when) {
    case "healthy":
      return `GET ${checkpoint.path} is answered`;
    case "log":
      return `the log matches ${checkpoint.pattern}`;
    default:
      return `port ${spec.ports[0]?.containerPort} accepts`;
  }
}

async function endedError(deps: PrepareDeps, work: Preparation, id: string, exitCode: number): Promise<ThawError> {
  const log = await lastLines(deps.containers, id);
  return new ThawError(
    "START_FAILED",
    `${work.service} exited with code ${exitCode} before ${describe(work.spec)}${log}`,
    {
      hint: "Run the image by hand (thaw run) to see what it needs.",
    },
  );
}

async function lateError(deps: PrepareDeps, work: Preparation, id: string, cause: unknown): Promise<ThawError> {
  const log = await lastLines(deps.containers, id);
  const limit = work.spec.readyTimeoutMs / 1000;
  return new ThawError("NOT_READY", `${work.service}: expected that ${describe(work.spec)} within ${limit} s${log}`, {
    hint: "Give it more time (x-thaw: ready_timeout), or check its port and health path.",
    cause: asThawError(cause),
  });
}

async function lastLines(containers: ContainerManager, id: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  try {
    for await (const { bytes } of containers.logs(id, { follow: false, tail: LOG_LINES })) chunks.push(bytes);
  } catch {
    return "";
  }
  const text = Buffer.concat(chunks).toString("utf8").trim();
  return text === "" ? "; it printed nothing" : `; it printed: ${text.slice(-LOG_CHARACTERS)}`;
}
