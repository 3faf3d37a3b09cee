/**
 * What a daemon that died during a dump left behind: processes that stand still for a copy that nobody finishes, and
 * the launcher's record of the dump. A mark in the run directory says whose dump is under way.
 */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { asThawError } from "../../common/errors.ts";
import type { Containers } from "../../container/index.ts";
import { ContainerState } from "../../launcher/generated/protocol.ts";
import type { LauncherClient } from "../../launcher/index.ts";
import { containerProcesses, resume } from "./processes.ts";

const MARK = "dumping-";
const DUMP = "dump.";

/** A launcher's id has at most 64 bytes, a container's has them all. */
const ID_DIGITS = 32;

/** The launcher's id for the dump of a container. */
export function dumpId(container: string): string {
  return `${DUMP}${container.slice(0, ID_DIGITS)}`;
}

/** Runs `dump` while a mark says that the container may be standing still. */
export async function marked<T>(runDir: string, container: string, dump: () => Promise<T>): Promise<T> {
  const mark = join(runDir, `${MARK}${container}`);
  await writeFile(mark, "");
  try {
    return await dump();
  } finally {
    await rm(mark, { force: true });
  }
}

/** Ends what is left of an earlier daemon's dumps: its containers go on. To be called before anything is dumped. */
export async function recoverDumps(client: LauncherClient, containers: Containers, runDir: string): Promise<void> {
  const { containers: records } = await client.list();
  for (const { id, state } of records.filter((record) => record.id.startsWith(DUMP))) {
    // Killing CRIU in the middle could leave its code in the process it dumps.
    if (state <= ContainerState.stopping) await untilEnded(client, id);
    await client.request({ kind: "forget", id }).catch(() => {});
  }
  for (const name of (await readdir(runDir)).filter((entry) => entry.startsWith(MARK))) {
    const id = name.slice(MARK.length);
    const container = containers.list().find((running) => running.id === id);
    if (container) await letGoOn(container.pid);
    await rm(join(runDir, name), { force: true });
  }
}

async function letGoOn(pid: number): Promise<void> {
  try {
    resume((await containerProcesses(pid)).tree);
  } catch (error) {
    // It has ended meanwhile.
    if (asThawError(error).code !== "WRONG_STATE") throw error;
  }
}

async function untilEnded(client: LauncherClient, id: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stops = [
    client.onReconnect(resolve),
    client.onEvent((event) => {
      if ((event.kind === "exited" || event.kind === "failed") && event.id === id) resolve();
    }),
  ];
  const record = (await client.list()).containers.find((container) => container.id === id);
  if (record === undefined || record.state > ContainerState.stopping) resolve();
  await promise;
  for (const stop of stops) stop();
}
