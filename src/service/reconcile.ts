/**
 * After a restart: the table says what there shall be, the launcher what there is. Sockets that still lead where
 * they should are left alone, whatever they are doing; others are opened and armed again; what was half-made goes.
 */
import { asThawError } from "../common/errors.ts";
import { ContainerState } from "../launcher/generated/protocol.ts";
import { endRun } from "../launcher/index.ts";
import { arm, removeCheckpoint, removeService } from "./change.ts";
import { afterCount, type Live } from "./live.ts";
import type { Locks } from "./locks.ts";
import type { SocketStatus } from "./ports.ts";
import { PREPARING_LABEL } from "./prepare.ts";
import type { ServiceRow } from "./store.ts";
import type { ServiceWorld } from "./world.ts";

/** @returns ids of services whose checkpoint has to be made anew. */
export async function reconcileServices(world: ServiceWorld, locks: Locks): Promise<string[]> {
  const rows = world.store.all();
  const { containers } = await world.client.list();
  const held = new Set(containers.filter(({ state }) => state === ContainerState.parked).map(({ id }) => id));
  const status = await world.gateway.status();
  const stale: string[] = [];
  for (const { id } of rows) {
    await locks.run(id, async () => {
      // Read again: what had the lock before may have changed or removed it.
      const row = world.store.get(id);
      if (row && (await reconcileOne(world, row, status.get(id)))) stale.push(id);
      const live = world.live.get(id);
      if (live) live.held = held.has(live.row.instance);
    });
  }
  await world.gateway.closeOthers(new Set(rows.map((row) => row.id)));
  await sweep(world);
  return stale;
}

async function reconcileOne(world: ServiceWorld, row: ServiceRow, status: SocketStatus | undefined): Promise<boolean> {
  const live: Live = world.live.get(row.id) ?? { row, life: { state: "preparing" } };
  world.live.set(row.id, live);
  if (!row.prepared) {
    await removeService(world, row.id);
    return false;
  }
  const leads =
    status?.target === row.instance && status.report !== "unrouted" && status.sockets === row.spec.ports.length;
  if (status) world.save(live, afterCount(live.row, status.wakes));
  // While the first life of a service ends here, its sockets are told about below, so it counts as armed.
  if (live.life.state === "preparing" || live.life.state === "failed") world.happen(live, { kind: "armed" });
  if (status && leads) {
    world.happen(live, { kind: "listener", report: status.report });
    return false;
  }
  return rearm(world, live);
}

async function rearm(world: ServiceWorld, live: Live): Promise<boolean> {
  try {
    await world.gateway.listen(live.row.id, live.row.spec.ports);
    await endRun(world.client, live.row.instance);
    const { row, stale } = await arm(world, live.row, await world.resolve(live.row.spec));
    world.save(live, row);
    world.happen(live, { kind: "listener", report: "asleep" });
    return stale;
  } catch (error) {
    world.happen(live, { kind: "broken", error: asThawError(error).message });
    return false;
  }
}

/** What a preparation left that did not come to its end. */
async function sweep(world: ServiceWorld): Promise<void> {
  const live = [...world.live.values()];
  const preparing = new Set(live.filter(({ life }) => life.state === "preparing").map(({ row }) => row.id));
  for (const { id, spec, restoredFrom } of world.containers.list({ all: true })) {
    // What a user restored from a service's checkpoint has the labels of what was dumped.
    const service = restoredFrom === undefined ? spec.labels[PREPARING_LABEL] : undefined;
    if (service !== undefined && !preparing.has(service))
      await world.containers.remove(id, { force: true }).catch(() => {});
  }
  const needed = new Set(live.map(({ row }) => row.checkpoint));
  for (const { name } of await world.checkpoints.list()) {
    const service = /^svc-(.+)-\d+$/.exec(name)?.[1];
    if (service !== undefined && !needed.has(name) && !preparing.has(service)) await removeCheckpoint(world, name);
  }
}
