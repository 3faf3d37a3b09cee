/** What is shown inside a container: taken over from others, and told by inspect. */
import type { MountPoint } from "../api/containers.ts";
import type { Bind, Container, ContainerSpec } from "../container/types.ts";

/**
 * The spec with the binds and volumes of other containers, in their places; what it has there itself stays.
 * @throws what `find` does.
 */
export function withVolumesFrom(
  spec: ContainerSpec,
  from: readonly { readonly container: string; readonly mode: string | undefined }[],
  find: (idOrName: string) => Container,
): ContainerSpec {
  const binds = new Map<string, Bind>();
  for (const { container, mode } of from) {
    for (const bind of find(container).spec.binds) {
      const readonly = bind.readonly || mode === "ro";
      // It stays its own container's volume: it does not go with this one.
      binds.set(bind.target, { ...bind, readonly, ...(bind.volume === undefined ? {} : { anonymous: false }) });
    }
  }
  for (const bind of spec.binds) binds.set(bind.target, bind);
  return { ...spec, binds: [...binds.values()] };
}

/** A bind as it is written for `-v`. */
export function bindText({ source, target, readonly, volume, propagation }: Bind): string {
  const options = [...(readonly ? ["ro"] : []), ...(propagation === undefined ? [] : [propagation])];
  return [volume || source, target, ...(options.length === 0 ? [] : [options.join(",")])].join(":");
}

/** The mounts of a container. */
export function mountPoints({ binds, isolation }: ContainerSpec): MountPoint[] {
  const shown = binds.map(({ source, target, readonly, volume, propagation }): MountPoint => {
    const rest = { Source: source, Destination: target, Mode: readonly ? "ro" : "", RW: !readonly };
    return volume === undefined
      ? { Type: "bind", ...rest, Propagation: propagation ?? "rprivate" }
      : { Type: "volume", Name: volume, Driver: "local", ...rest, Propagation: "" };
  });
  const tmpfs = (isolation?.tmpfs ?? []).map(({ target, flags }): MountPoint => {
    return { Type: "tmpfs", Source: "", Destination: target, Mode: "", RW: (flags & 1) === 0, Propagation: "" };
  });
  return [...shown, ...tmpfs];
}
