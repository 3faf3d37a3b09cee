/**
 * The container that an awake service is. The launcher starts and ends it; here it only gets a row, so that it has a
 * name, a log and a place, and is ended for good when its service changes or goes.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Containers } from "../container/index.ts";
import { ContainerState } from "../launcher/generated/protocol.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { Cgroups } from "../sandbox/index.ts";

export interface InstanceDeps {
  readonly client: LauncherClient;
  readonly containers: Containers;
  readonly cgroups: Cgroups;
}

/** An id that no container has. */
export function newInstance(): string {
  return randomBytes(32).toString("hex");
}

/** Ends an instance, also one that is just being woken. Resolves when nothing of it runs. */
export async function endInstance({ client }: Pick<InstanceDeps, "client">, id: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
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
    for (const stop of stops) stop();
  }
}

/** Ends an instance and removes its row and files. Missing is fine. */
export async function removeInstance(deps: InstanceDeps, id: string): Promise<void> {
  await endInstance(deps, id);
  await deps.containers.unregisterInstance(id);
}

/** Bytes of memory that an instance's cgroup holds; 0 when it does not run. */
export function memoryOf({ cgroups }: Pick<InstanceDeps, "cgroups">, id: string): number {
  for (const leaf of cgroups.leaves(id)) {
    for (const file of ["memory.usage_in_bytes", "memory.current"]) {
      const bytes = readNumber(join(leaf, file));
      if (bytes !== undefined) return bytes;
    }
  }
  return 0;
}

function readNumber(file: string): number | undefined {
  try {
    return Number(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}
