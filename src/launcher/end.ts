/** Ending what the launcher runs under an id, whoever made it. */
import { ThawError } from "../common/errors.ts";
import type { LauncherClient } from "./client.ts";
import { ContainerState } from "./generated/protocol.ts";

const LIMIT_MS = 30_000;

/**
 * Ends it, also while it starts or only waits. Resolves when nothing of it runs; missing is fine.
 * @throws ThawError LAUNCHER_FAILED when it does not end.
 */
export async function endRun(client: LauncherClient, id: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(() => reject(new ThawError("LAUNCHER_FAILED", `${id} does not end`)), LIMIT_MS);
  const stops = [
    client.onReconnect(resolve),
    client.onEvent((event) => {
      if ((event.kind === "exited" || event.kind === "failed") && event.id === id) resolve();
    }),
  ];
  try {
    const record = (await client.list()).containers.find((container) => container.id === id);
    const isLive = (state: number) => state <= ContainerState.stopping || state === ContainerState.parked;
    if (record === undefined || !isLive(record.state)) return;
    await client.request({ kind: "kill", id });
    await promise;
  } finally {
    clearTimeout(timer);
    for (const stop of stops) stop();
  }
}

/** The same, and the launcher forgets it. */
export async function endRecord(client: LauncherClient, id: string): Promise<void> {
  await endRun(client, id);
  await client.request({ kind: "forget", id }).catch(() => {});
}
