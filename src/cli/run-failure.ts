/** A container that could not be started, with the exit code that `thaw run` then has. */

import type { ApiClient } from "../api/client.ts";
import type { WaitResponse } from "../api/containers.ts";
import { asThawError, ThawError } from "../common/errors.ts";

/** Docker's codes: 127 no such program, 126 it cannot be executed, 125 anything else. */
export class RunFailure extends ThawError {
  readonly exitCode: number;

  constructor(error: ThawError, exitCode: number) {
    super(error.code, error.message, { ...(error.hint === undefined ? {} : { hint: error.hint }), cause: error });
    this.exitCode = exitCode;
  }
}

/** Time for the end of a container that could not be started to be told, ms. */
const TELLING_MS = 1000;

/** Starts a container and leaves it to itself. @throws RunFailure. */
export async function startDetached(client: ApiClient, id: string): Promise<void> {
  const done = new AbortController();
  try {
    await startAwaited(client, id, done.signal);
  } finally {
    done.abort();
  }
}

/**
 * Starts a container; one that cannot be started is removed, for it is of no use.
 * @returns what waits for its end, which was listened for before the start: a quick one cannot be missed.
 * @throws RunFailure.
 */
export async function startAwaited(
  client: ApiClient,
  id: string,
  signal: AbortSignal = new AbortController().signal,
): Promise<() => Promise<WaitResponse>> {
  const options = { params: { id }, query: { condition: "next-exit" }, signal };
  const response = await client.send("containerWait", options);
  const ended = client.answer<WaitResponse>(response);
  ended.catch(() => undefined);
  try {
    await client.send("containerStart", { params: { id } });
  } catch (error) {
    const told = await Promise.race([ended.catch(() => undefined), patience(TELLING_MS)]);
    throw await discard(client, id, error, told?.StatusCode);
  }
  return () => ended;
}

/** Resolves after that time, which keeps nobody from ending sooner. */
function patience(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(() => resolve(undefined), ms).unref());
}

/** Removes a container that never ran; returns what went wrong, with the exit code it is told with. */
export async function discard(client: ApiClient, id: string, thrown: unknown, exitCode = 125): Promise<RunFailure> {
  await client.send("containerRemove", { params: { id }, query: { force: true } }).catch(() => undefined);
  return new RunFailure(asThawError(thrown), exitCode === 126 || exitCode === 127 ? exitCode : 125);
}
