/**
 * Images in the JSON shapes of the Docker Engine API: `/images/json` and `/images/{name}/json`.
 */
import type { Image } from "./store.ts";

/** One element of `GET /images/json`. `Created` in Unix seconds, sizes in bytes. */
export function imageSummary(image: Image) {
  return {
    Id: image.id,
    ParentId: "",
    RepoTags: [...image.references],
    RepoDigests: [],
    Created: Math.floor(createdMs(image) / 1000),
    Size: image.size,
    VirtualSize: image.size,
    SharedSize: -1,
    Containers: -1,
    Labels: image.config.config.Labels ?? {},
  };
}

/** The answer of `GET /images/{name}/json`. */
export function imageInspect(image: Image) {
  const { config } = image.config;
  return {
    Id: image.id,
    RepoTags: [...image.references],
    RepoDigests: [],
    Parent: "",
    Comment: "",
    Created: new Date(createdMs(image)).toISOString(),
    Author: image.config.author ?? "",
    Architecture: image.config.architecture,
    Os: image.config.os,
    Size: image.size,
    VirtualSize: image.size,
    Config: {
      User: config.User ?? "",
      ExposedPorts: config.ExposedPorts ?? {},
      Env: config.Env ?? [],
      Cmd: config.Cmd ?? null,
      Entrypoint: config.Entrypoint ?? null,
      Volumes: config.Volumes ?? null,
      WorkingDir: config.WorkingDir ?? "",
      Labels: config.Labels ?? {},
      StopSignal: config.StopSignal ?? undefined,
      Shell: config.Shell ?? undefined,
    },
    RootFS: { Type: "layers", Layers: [...image.layers] },
    GraphDriver: { Name: "overlay2", Data: null },
  };
}

function createdMs(image: Image): number {
  const ms = Date.parse(image.config.created ?? "");
  return Number.isNaN(ms) ? 0 : ms;
}
