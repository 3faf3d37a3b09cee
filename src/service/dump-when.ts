/**
 * A checkpoint of a container that runs for its own sake, made when it has come so far: a line in its log, an answer of
 * a health path, connections that it has served. Until then the container goes on undisturbed, and so it does when
 * nobody waits any more.
 */
import type { Checkpoints } from "../checkpoint/index.ts";
import type { CheckpointInfo } from "../checkpoint/types.ts";
import { ThawError } from "../common/errors.ts";
import type { Container, ContainerManager } from "../container/types.ts";
import type { Probe, ServiceGateway } from "./ports.ts";
import { acceptedConnections, untilQuiet } from "./quiet.ts";
import { awaitHealthy, awaitLine } from "./readiness.ts";
import { pattern } from "./spec.ts";

/** What a dump waits for. */
export type DumpCondition =
  | { readonly when: "now" }
  | { readonly when: "healthy"; readonly path: string }
  | { readonly when: "log"; readonly pattern: string }
  /** So many more TCP connections have been accepted in the container, and none is open. */
  | { readonly when: "requests"; readonly count: number };

export interface DumpRequest {
  /** Name or id. */
  readonly container: string;
  readonly checkpoint: string;
  readonly leaveRunning: boolean;
  /** What becomes of established TCP connections within the container. */
  readonly connections: "close" | "keep";
  readonly when: DumpCondition;
  /** HTTP paths that are requested before the dump. */
  readonly warm: readonly string[];
  /** Where HTTP is spoken; the first published port when not given. */
  readonly port?: number | undefined;
  /** For waiting and warming up; without it there is no limit. */
  readonly timeoutMs?: number | undefined;
}

export interface DumpDeps {
  readonly containers: ContainerManager;
  readonly checkpoints: Checkpoints;
  readonly gateway: ServiceGateway;
}

/** Between two looks at the count of connections, ms: the kernel tells nobody when it changes. */
const COUNT_STEP_MS = 20;

/** How long the container may take to accept a connection of ours, ms. */
const ACCEPT_MS = 60_000;

/**
 * Waits, warms up, dumps.
 * @throws ThawError of `Checkpoints.create`, NOT_READY when the container ends before, TIMEOUT, CANCELLED by the signal,
 *   INVALID when there is no port to ask.
 */
export async function dumpWhen(deps: DumpDeps, request: DumpRequest, signal: AbortSignal): Promise<CheckpointInfo> {
  const { checkpoint, leaveRunning, connections } = request;
  const container = deps.containers.get(request.container);
  if (request.when.when !== "now" || request.warm.length > 0) {
    deps.checkpoints.refuseUndumpable(container, checkpoint);
    const deadline =
      request.timeoutMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(request.timeoutMs)]);
    await whileRunning(deps, container, deadline, (either) => waitAndWarm(deps, container, request, either));
  }
  return deps.checkpoints.create(container.id, checkpoint, { leaveRunning, connections });
}

/** A container that ends while somebody waits for it ends the wait. */
async function whileRunning(
  { containers }: DumpDeps,
  container: Container,
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const ended = new AbortController();
  const stopWaiting = new AbortController();
  const { name } = container.spec;
  containers.wait(container.id, stopWaiting.signal).then(
    ({ exitCode }) => ended.abort(endedError(name, exitCode)),
    () => {},
  );
  try {
    await work(AbortSignal.any([signal, ended.signal]));
  } catch (error) {
    if (ended.signal.aborted) throw ended.signal.reason;
    if (signal.reason instanceof Error && signal.reason.name === "TimeoutError") throw lateError(name);
    if (signal.aborted) throw new ThawError("CANCELLED", `nobody waits for the checkpoint of ${name} any more`);
    throw error;
  } finally {
    stopWaiting.abort();
  }
}

async function waitAndWarm(deps: DumpDeps, container: Container, request: DumpRequest, signal: AbortSignal) {
  const { when, warm } = request;
  const asks = when.when === "healthy" || warm.length > 0;
  const probe = asks ? await deps.gateway.probe(container.id, portOf(container, request), ACCEPT_MS) : undefined;
  try {
    await waitFor(deps, container, when, probe, signal);
    for (const path of warm) await warmUp(path, probe, signal);
  } finally {
    await probe?.close();
  }
  await untilQuiet(container.pid);
}

async function waitFor(
  { containers }: DumpDeps,
  container: Container,
  when: DumpCondition,
  probe: Probe | undefined,
  signal: AbortSignal,
): Promise<void> {
  switch (when.when) {
    case "healthy":
      if (probe) await awaitHealthy(when.path, probe, signal);
      return;
    case "log":
      await awaitLine(pattern(when.pattern), containers.logs(container.id, { follow: true, signal }));
      return;
    case "requests":
      return awaitConnections(container, when.count, signal);
    case "now":
  }
}

async function awaitConnections(container: Container, count: number, signal: AbortSignal): Promise<void> {
  const before = await acceptedConnections(container.pid);
  while ((await acceptedConnections(container.pid)) < before + count) {
    await Bun.sleep(COUNT_STEP_MS);
    signal.throwIfAborted();
  }
}

async function warmUp(path: string, probe: Probe | undefined, signal: AbortSignal): Promise<void> {
  const status = await probe?.get(path, signal);
  if (status !== undefined && status < 400) return;
  throw new ThawError("NOT_READY", `warm-up GET ${path}: expected an answer below 400, got ${status}`, {
    hint: "Give a path that the container answers; it goes on running.",
  });
}

function portOf({ spec }: Container, { port }: DumpRequest): number {
  const found = port ?? spec.ports.find(({ protocol }) => protocol === "tcp")?.containerPort;
  if (found !== undefined) return found;
  throw new ThawError("INVALID", `${spec.name} has no published port to send requests to`, {
    hint: "Say where it listens: --port PORT.",
  });
}

function endedError(name: string, exitCode: number): ThawError {
  return new ThawError("NOT_READY", `${name} exited with code ${exitCode} before its checkpoint was due`, {
    hint: `See what it printed: thaw logs ${name}`,
  });
}

function lateError(name: string): ThawError {
  return new ThawError("TIMEOUT", `the checkpoint of ${name} was not due in time; the container goes on running`, {
    hint: "Give it more time.",
  });
}
