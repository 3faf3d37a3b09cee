/** From the options of `thaw run` and `thaw create` to the request that makes the container. */
import { resolve } from "node:path";
import type { CreateInput } from "../api/containers.ts";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import type { ContainerOptions } from "./container-options.ts";
import { deviceOption, pairOption, securityOptions, tmpfsOption, ulimitOption } from "./isolation-options.ts";
import { deviceRateFields, limitFields } from "./limit-options.ts";
import { mountOption, type VolumeOption, volumeOption } from "./mount-options.ts";
import { networksConfig, portBindings } from "./network-options.ts";
import { countOption, envFile, envOption, sizeOption } from "./options.ts";

type HostConfigInput = NonNullable<CreateInput["HostConfig"]>;

/** @throws ThawError INVALID for options that make no sense. */
export function createRequest(words: readonly string[], options: ContainerOptions, input: boolean): CreateInput {
  const image = options.rootfs === undefined ? words[0] : undefined;
  const volumes = (options.volume ?? []).map(volumeOption);
  const command = options.rootfs === undefined ? words.slice(1) : [...words];
  if (image === undefined && options.rootfs === undefined) {
    throw new ThawError("INVALID", "run: expected an image (or --rootfs DIRECTORY) and a command, got neither", {
      hint: "For example: thaw run hello python3 hello.py",
    });
  }
  const { NetworkMode, EndpointsConfig } = networksConfig(withNetwork(options));
  return {
    ...(image === undefined ? {} : { Image: image }),
    ...(options.rootfs === undefined ? {} : { Rootfs: resolve(options.rootfs) }),
    ...(options.lean ? { Lean: true } : {}),
    ...(options.reseed === undefined ? {} : { Reseed: options.reseed }),
    ...(command.length === 0 ? {} : { Cmd: command }),
    ...(options.entrypoint === undefined ? {} : { Entrypoint: [options.entrypoint] }),
    Env: [...(options.envFile ?? []).flatMap(envFile), ...(options.env ?? []).map(envOption)],
    WorkingDir: options.workdir ?? "",
    User: options.user ?? "",
    Hostname: options.hostname ?? "",
    Domainname: options.domainname ?? "",
    Tty: options.tty ?? false,
    OpenStdin: input,
    Labels: Object.fromEntries((options.label ?? []).map(splitLabel)),
    StopSignal: options.stopSignal ?? "",
    ...(options.stopTimeout === undefined
      ? {}
      : { StopTimeout: countOption("--stop-timeout", options.stopTimeout, -1) }),
    Volumes: Object.fromEntries(volumes.flatMap((one) => ("target" in one ? [[one.target, {}]] : []))),
    HostConfig: { ...hostConfig(options), NetworkMode, ...filesConfig(options, volumes), ...isolationConfig(options) },
    NetworkingConfig: { EndpointsConfig },
  };
}

/** A network of its own is most of what a small sandbox costs. */
function withNetwork(options: ContainerOptions): ContainerOptions {
  return options.lean && options.network === undefined ? { ...options, network: ["host"] } : options;
}

function hostConfig(options: ContainerOptions): HostConfigInput {
  return {
    PortBindings: portBindings(options.publish ?? []) ?? {},
    AutoRemove: options.rm ?? false,
    Init: options.init && !options.lean,
    ...limitFields(options),
    ...deviceRateFields(options),
    ...(options.oomScoreAdj === undefined
      ? {}
      : { OomScoreAdj: countOption("--oom-score-adj", options.oomScoreAdj, -1000) }),
    Ulimits: (options.ulimit ?? []).map(ulimitOption),
    Dns: options.dns ?? [],
    DnsSearch: options.dnsSearch ?? [],
    DnsOptions: options.dnsOption ?? [],
    ExtraHosts: options.addHost ?? [],
  };
}

function filesConfig(options: ContainerOptions, volumes: readonly VolumeOption[]): HostConfigInput {
  return {
    ReadonlyRootfs: options.readOnly ?? false,
    Binds: volumes.flatMap((one) => ("bind" in one ? [one.bind] : [])),
    Mounts: (options.mount ?? []).map(mountOption),
    VolumesFrom: options.volumesFrom ?? [],
    Tmpfs: Object.fromEntries([...(options.lean ? ["/tmp"] : []), ...(options.tmpfs ?? [])].map(tmpfsOption)),
    Devices: (options.device ?? []).map(deviceOption),
    ...(options.shmSize === undefined ? {} : { ShmSize: sizeOption("--shm-size", options.shmSize) }),
  };
}

function isolationConfig(options: ContainerOptions): HostConfigInput {
  return {
    CapAdd: options.capAdd ?? [],
    CapDrop: options.capDrop ?? [],
    GroupAdd: options.groupAdd ?? [],
    Privileged: options.privileged ?? false,
    Sysctls: Object.fromEntries((options.sysctl ?? []).map((text) => pairOption("--sysctl", text))),
    IpcMode: options.ipc ?? "",
    PidMode: options.pid ?? "",
    UTSMode: options.uts ?? "",
    ...(options.userns === undefined ? {} : { UsernsMode: usernsOption(options.userns) }),
    ...securityOptions(options.securityOpt ?? []),
  };
}

function usernsOption(mode: string): "auto" | "host" {
  if (mode === "auto" || mode === "host") return mode;
  throw new ThawError("INVALID", `--userns: expected auto or host, got ${show(mode)}`, {
    hint: "auto gives the container ids of its own, host uses the machine's.",
  });
}

function splitLabel(text: string): [string, string] {
  const at = text.indexOf("=");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}
