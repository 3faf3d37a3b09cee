/**
 * The container that an awake service is. The launcher starts and ends it; here it only gets a row, so that it has a
 * name, a log and a place, and is ended for good when its service changes or goes.
 */
import { randomBytes } from "node:crypto";
import type { Containers } from "../container/index.ts";
import { endRun, type LauncherClient } from "../launcher/index.ts";
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

/** Ends an instance and removes its row and files. Missing is fine. */
export async function removeInstance(deps: InstanceDeps, id: string): Promise<void> {
  await endRun(deps.client, id);
  await deps.containers.unregisterInstance(id);
}
