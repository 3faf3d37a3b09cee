/** Volume routes: create, list, inspect, remove, prune. */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import type { RouteName } from "../../api/routes.ts";
import {
  type VolumeAnswer,
  type VolumeList,
  type VolumePruned,
  volumeCreateSchema,
  volumeListQuerySchema,
  volumePruneQuerySchema,
  volumeRemoveQuerySchema,
} from "../../api/volumes.ts";
import { asThawError } from "../../common/errors.ts";
import type { Volume } from "../../volume/index.ts";
import type { Call, Handler } from "../call.ts";
import { hasLabel } from "../labels.ts";
import type { Parts } from "../parts.ts";

type VolumeRoutes = "volumeList" | "volumeCreate" | "volumePrune" | "volumeInspect" | "volumeRemove";

export function volumeRoutes({ volumes }: Parts): Record<VolumeRoutes & RouteName, Handler> {
  return {
    volumeList: async (call) => call.json(list(volumes, call)),
    volumeCreate: async (call) => {
      const { Name, Labels } = await call.body(volumeCreateSchema);
      call.json(answer(volumes.store.ensure(Name ?? "", Labels ?? {})), 201);
    },
    volumeInspect: async (call) => call.json(answer(volumes.store.get(call.param("name")))),
    volumeRemove: async (call) => {
      const { force } = call.query(volumeRemoveQuerySchema);
      await volumes.remove(call.param("name")).catch((error: unknown) => {
        if (!force || asThawError(error).code !== "VOLUME_NOT_FOUND") throw error;
      });
      call.empty();
    },
    volumePrune: async (call) => call.json(await prune(volumes, call)),
  };
}

function list(volumes: Parts["volumes"], call: Call): VolumeList {
  const { filters: { name, label, dangling, driver } = {} } = call.query(volumeListQuerySchema);
  const some = (values: string[] | undefined, test: (value: string) => boolean) => values?.some(test) ?? true;
  const found = volumes.store.list().filter((volume) => {
    const unused = volumes.userOf(volume.name) === undefined;
    return (
      some(name, (value) => volume.name.includes(value)) &&
      some(label, (value) => hasLabel(volume.labels, value)) &&
      some(dangling, (value) => unused === ["true", "1"].includes(value)) &&
      some(driver, (value) => value === "local")
    );
  });
  return { Volumes: found.map(answer), Warnings: [] };
}

async function prune(volumes: Parts["volumes"], call: Call): Promise<VolumePruned> {
  const { filters: { all, label } = {} } = call.query(volumePruneQuerySchema);
  const chosen = (volume: Volume) => label?.some((value) => hasLabel(volume.labels, value)) ?? true;
  const sizes = new Map<string, number>();
  for (const { name, path } of volumes.store.list()) sizes.set(name, await bytesIn(path));
  const gone = await volumes.prune(all?.some((value) => ["true", "1"].includes(value)) ?? false, chosen);
  return {
    VolumesDeleted: gone.map(({ name }) => name),
    SpaceReclaimed: gone.reduce((bytes, { name }) => bytes + (sizes.get(name) ?? 0), 0),
  };
}

/** Bytes of all files below a directory; what vanishes meanwhile counts nothing. */
async function bytesIn(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory, { recursive: true }).catch(() => [])) {
    const stats = await lstat(join(directory, name)).catch(() => undefined);
    if (stats?.isFile()) bytes += stats.size;
  }
  return bytes;
}

function answer({ name, path, labels, createdAt }: Volume): VolumeAnswer {
  const CreatedAt = new Date(createdAt).toISOString();
  return { Name: name, Driver: "local", Mountpoint: path, CreatedAt, Labels: labels, Scope: "local", Options: {} };
}
