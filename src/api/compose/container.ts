/**
 * From a compose service's keys to the container that it is, in the words of the API: names of volumes get their
 * project's, relative paths that of the file.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, resolve } from "node:path";
import { ThawError } from "../../common/errors.ts";
import type { ServiceContainerInput } from "../thaw.ts";
import type { ContainerKeys, TopVolumes } from "./container-keys.ts";

type Volume = NonNullable<ContainerKeys["volumes"]>[number];
type Mount = NonNullable<NonNullable<ServiceContainerInput["HostConfig"]>["Mounts"]>[number];

/** What the names of a project mean. */
export interface ComposeNames {
  readonly project: string;
  readonly service: string;
  /** Absolute path of the file. */
  readonly file: string;
  readonly volumes: TopVolumes;
}

/** The container that a service asks for; undefined when it asks for nothing. @throws ThawError INVALID, PATH_NOT_FOUND. */
export function serviceContainer(keys: ContainerKeys, names: ComposeNames): ServiceContainerInput | undefined {
  const wished = {
    User: keys.user,
    WorkingDir: keys.working_dir,
    Hostname: keys.hostname,
    Domainname: keys.domainname,
    HostConfig: present({
      Init: keys.init,
      ReadonlyRootfs: keys.read_only,
      Privileged: keys.privileged,
      CapAdd: keys.cap_add,
      CapDrop: keys.cap_drop,
      SecurityOpt: keys.security_opt?.map((text) => withProfile(text, names.file)),
      GroupAdd: keys.group_add,
      Devices: keys.devices,
      ShmSize: keys.shm_size,
      Dns: keys.dns,
      DnsSearch: keys.dns_search,
      DnsOptions: keys.dns_opt,
      ExtraHosts: keys.extra_hosts,
      Ulimits: keys.ulimits,
      Sysctls: keys.sysctls,
      OomScoreAdj: keys.oom_score_adj,
      IpcMode: keys.ipc,
      PidMode: keys.pid,
      UTSMode: keys.uts,
      Tmpfs: keys.tmpfs && Object.fromEntries(keys.tmpfs),
      Binds: keys.volumes?.flatMap((volume) => ("bind" in volume ? [bindOf(volume.bind, names)] : [])),
      Mounts: keys.volumes?.flatMap((volume) => ("bind" in volume ? [] : [mountOf(volume, names)])),
    }),
  };
  const container = present(wished);
  return Object.keys(container).length === 0 ? undefined : container;
}

/** The first of a service's volumes that has a name which the file does not know. */
export function unknownVolume(
  volumes: readonly Volume[],
  known: TopVolumes,
): { readonly index: number; readonly name: string } | undefined {
  for (const [index, volume] of volumes.entries()) {
    const mount = "mount" in volume ? volume.mount : undefined;
    const name = "bind" in volume ? volume.bind.split(":")[0] : mount?.type === "volume" ? mount.source : undefined;
    if (name !== undefined && !isPath(name) && !Object.hasOwn(known, name)) return { index, name };
  }
  return undefined;
}

function bindOf(text: string, names: ComposeNames): string {
  const [source = "", ...rest] = text.split(":");
  return [isPath(source) ? hostPath(source, names) : volumeName(source, names), ...rest].join(":");
}

function mountOf(volume: Exclude<Volume, { bind: string }>, names: ComposeNames): Mount {
  if ("anonymous" in volume)
    return { Type: "volume", Source: ownName(volume.anonymous, names), Target: volume.anonymous };
  const { type, source, target, read_only, bind, volume: options, tmpfs } = volume.mount;
  const common = { Target: target, ReadOnly: read_only ?? false };
  if (type === "bind") {
    const BindOptions = { Propagation: bind?.propagation };
    return { Type: type, ...common, Source: hostPath(source ?? "", names), BindOptions };
  }
  if (type === "volume") {
    const Source = source === undefined ? ownName(target, names) : volumeName(source, names);
    return { Type: type, ...common, Source, VolumeOptions: { NoCopy: options?.nocopy ?? false } };
  }
  return { Type: type, ...common, TmpfsOptions: { SizeBytes: tmpfs?.size, Mode: tmpfs?.mode } };
}

function isPath(source: string): boolean {
  return /^[./~]/.test(source);
}

function hostPath(path: string, { file }: ComposeNames): string {
  return resolve(dirname(file), path.replace(/^~(?=\/|$)/, homedir()));
}

/** The volume that a name of the file means. */
function volumeName(name: string, { project, volumes }: ComposeNames): string {
  const volume = volumes[name];
  return volume?.name ?? (volume?.external ? name : `${project}_${name}`);
}

/** A volume without a name belongs to the service and its place: it is the same one each time the service is made. */
function ownName(target: string, { project, service }: ComposeNames): string {
  return `${project}_${service}${target.replaceAll(/[^a-zA-Z0-9.-]+/g, "_")}`.slice(0, 128);
}

function withProfile(text: string, file: string): string {
  const name = /^seccomp[=:](.+)$/.exec(text)?.[1];
  if (name === undefined || name === "unconfined" || name === "builtin") return text;
  const path = resolve(dirname(file), name);
  try {
    return `seccomp=${readFileSync(path, "utf8")}`;
  } catch (cause) {
    throw new ThawError("PATH_NOT_FOUND", `security_opt: cannot read ${path}`, { hint: "Check the path.", cause });
  }
}

type Present<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The fields that ask for something. */
function present<T extends object>(fields: T): Present<T> {
  const asks = (value: unknown) => typeof value !== "object" || value === null || Object.keys(value).length > 0;
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined && asks(value));
  // Object.fromEntries forgets which fields there were.
  return Object.fromEntries(entries) as Present<T>;
}
