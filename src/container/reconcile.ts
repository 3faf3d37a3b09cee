/**
 * Making the rows, the launcher's records and what is on disk agree, at the daemon's start and after the launcher came
 * back. The launcher's record is the fact: a container that it has runs, one that it has not is over. What belongs to
 * no container is removed: cgroup leaves, directories, records.
 */
import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type ContainerMessage, ContainerState } from "../launcher/generated/protocol.ts";
import type { LauncherListing } from "../launcher/index.ts";
import { isFrozen, restoreLimits } from "../sandbox/index.ts";
import type { ContainerCore } from "./core.ts";
import { exitedOutcome, milliseconds } from "./outcome.ts";
import { isContainerId } from "./place.ts";
import type { Container } from "./types.ts";

/** With the prefix it fits the launcher's bound on ids. */
const CLEANUP_ID_CHARS = 56;

/** Resolves when all agree. @throws ThawError LAUNCHER_FAILED. */
export async function reconcileContainers(core: ContainerCore): Promise<void> {
  // Leaves first: one that is made after this reading belongs to a record that the list may not have yet.
  const leaves = await core.parts.cgroups.existing();
  const before = whatShouldRun(core);
  const listing = await core.parts.launcher.list();
  const records = new Map(listing.containers.map((record) => [record.id, record]));
  // What has begun or ended since is told by events, and the list is too old for it.
  const isAsBefore = (id: string) => runOf(core, id) === before.get(id);
  await removeLeaves(core, new Set([...leaves].filter(isAsBefore)), records);
  for (const { id } of core.store.all()) if (isAsBefore(id)) await settleRow(core, id, records.get(id));
  await settleStrangers(core, listing);
  const running = core.store.all().filter(({ state }) => state === "running");
  await core.ports.reconcile(running, listing);
  await Promise.all(running.map((container) => settleLimits(core, container)));
  await core.networks
    .reconcile(core.inNetworks())
    // The daemon is of use without networks too, and starts.
    .catch((error: unknown) => console.error("thaw: networks:", error));
  await removeDirectories(core);
}

/** What cannot be restored is said, and keeps nothing else from going on. */
async function settleLimits({ parts: { cgroups } }: ContainerCore, { id, spec }: Container): Promise<void> {
  await restoreLimits(cgroups, id, spec.limits).catch((error: unknown) => {
    console.error(`thaw: the limits of ${spec.name} cannot be restored:`, error);
  });
}

function isLive(record: ContainerMessage | undefined): boolean {
  return record !== undefined && (record.state <= ContainerState.stopping || record.state === ContainerState.parked);
}

/** Kills and removes what a killed launcher left in cgroups of containers that it does not know any more. */
async function removeLeaves(
  { parts: { launcher, cgroups }, lifecycle }: ContainerCore,
  leaves: ReadonlySet<string>,
  records: ReadonlyMap<string, ContainerMessage>,
): Promise<void> {
  for (const name of leaves) {
    if (isLive(records.get(name)) || (lifecycle.isStarting(name) && !lifecycle.isStarting(name, true))) continue;
    const id = `cleanup-${name.slice(0, CLEANUP_ID_CHARS)}`;
    const cleanup = cgroups.remove(name);
    await launcher.request({ kind: "run", id, sandbox: "", stdio: 0, log: "", plan: [], cleanup });
  }
}

/** What the launcher was asked to run before it is asked for its list; each with what its present run is known by. */
function whatShouldRun(core: ContainerCore): Map<string, object | number | undefined> {
  return new Map(core.store.all().map(({ id }) => [id, runOf(core, id)]));
}

/** Its start under way, or when it began to run. */
function runOf({ store, lifecycle }: ContainerCore, id: string): object | number | undefined {
  const container = store.find(id);
  return lifecycle.acceptedStart(id) ?? (container?.state === "running" ? container.startedAt : undefined);
}

async function settleRow(
  { store, lifecycle, parts: { cgroups } }: ContainerCore,
  id: string,
  record: ContainerMessage | undefined,
): Promise<void> {
  const container = store.find(id);
  if (container === undefined || (lifecycle.isStarting(id) && !lifecycle.isStarting(id, true))) return;
  const { state } = container;
  if (!record) {
    if (state === "running" || lifecycle.isStarting(id)) lifecycle.lost(container);
  } else if (record.state === ContainerState.running || record.state === ContainerState.stopping) {
    // The list may be older than an exit that was told since.
    if (state === "exited" && container.startedAt === milliseconds(record.startedNs)) return;
    const paused = isFrozen(cgroups, id);
    lifecycle.started({ ...container, paused }, { pid: record.pid, atNs: record.startedNs });
  } else if (record.state === ContainerState.exited && state !== "exited") {
    lifecycle.finish(container, exitedOutcome({ ...record, atNs: record.endedNs }));
  } else if (record.state === ContainerState.failed && state !== "exited") {
    const error = "it could not be started while the daemon was away";
    lifecycle.finish(container, { exitCode: 125, oomKilled: false, error, finishedAt: Date.now() });
  } else if (!isLive(record) && container.service === undefined) {
    // On a full disk the record stays where it is, and the daemon starts all the same.
    await lifecycle.dropRecord(container).catch((error: unknown) => console.error("thaw:", error));
  }
}

/** Records of containers that were removed while the launcher still had them. Other records are other folders'. */
async function settleStrangers({ store, parts: { launcher } }: ContainerCore, listing: LauncherListing): Promise<void> {
  for (const record of listing.containers) {
    if (!isContainerId(record.id) || store.find(record.id)) continue;
    await launcher.request({ kind: isLive(record) ? "kill" : "forget", id: record.id }).catch(() => {});
  }
}

async function removeDirectories({ store, parts }: ContainerCore): Promise<void> {
  const { containers } = parts.paths;
  const names = await readdir(containers).catch(() => []);
  for (const name of names) {
    if (isContainerId(name) && !store.find(name)) await rm(join(containers, name), { recursive: true, force: true });
  }
}
