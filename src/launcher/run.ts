/**
 * Running a plan to a point, for those who keep no record of it (a dump by CRIU, a build step, a benchmark): the
 * request and the event that answers it in one promise.
 */
import type { LauncherClient } from "./client.ts";
import { planFailure, unreachable } from "./failures.ts";
import type { ExitedMessage, FailedMessage, LauncherEvent, RunMessage, StartedMessage } from "./generated/protocol.ts";

export interface RunOptions {
  /** Makes the error for a plan that failed; `planFailure` when not given. */
  readonly onFailed?: (event: FailedMessage) => Error;
}

/**
 * Runs a plan until all of it ran. @throws ThawError START_FAILED, NO_SPACE, LAUNCHER_FAILED, or what `onFailed` makes.
 * The launcher keeps a record of the container until it is sent `forget`.
 */
export function runToStart(client: LauncherClient, run: RunMessage, options: RunOptions = {}): Promise<StartedMessage> {
  return runUntil(client, run, options, (event) => (event.kind === "started" ? event : undefined));
}

/**
 * Runs a plan until all that it started has ended, and forgets it. Rejects as `runToStart` does.
 */
export async function runToEnd(
  client: LauncherClient,
  run: RunMessage,
  options: RunOptions = {},
): Promise<ExitedMessage> {
  try {
    return await runUntil(client, run, options, (event) => (event.kind === "exited" ? event : undefined));
  } finally {
    await client.request({ kind: "forget", id: run.id }).catch(() => {});
  }
}

function runUntil<E>(
  client: LauncherClient,
  run: RunMessage,
  options: RunOptions,
  pick: (event: Exclude<LauncherEvent, { kind: "listener_changed" | "woke" }>) => E | undefined,
): Promise<E> {
  const { promise, resolve, reject } = Promise.withResolvers<E>();
  const stops = [
    client.onReconnect(() => reject(unreachable(`it was restarted during ${run.id}`))),
    client.onEvent((event) => {
      if (event.kind === "listener_changed" || event.kind === "woke" || event.id !== run.id) return;
      const picked = pick(event);
      if (picked !== undefined) resolve(picked);
      if (event.kind === "failed") reject((options.onFailed ?? planFailure)(event));
    }),
  ];
  client.request(run).catch(reject);
  return promise.finally(() => {
    for (const stop of stops) stop();
  });
}
