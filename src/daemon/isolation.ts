/** Isolation options: from what the API takes to what is kept with a container, and back for inspect. */
import type { CreateRequest } from "../api/containers.ts";
import type { HostConfig } from "../api/host-config.ts";
import type { SecuritySpec } from "../container/types.ts";
import type { HostNamespace, Isolation } from "../sandbox/index.ts";
import { signalName, signalNumber } from "./signals.ts";

/** What of a request's own fields belongs to isolation. */
export type IsolationConfig = Pick<CreateRequest, "Domainname" | "StopSignal" | "StopTimeout">;

/**
 * The isolation that a request asks for; what it does not mention is not in it.
 * @param imageSignal  the image's stop signal, or "".
 * @throws ThawError INVALID for a stop signal that is none.
 */
export function isolationOf(config: IsolationConfig, host: Partial<HostConfig>, imageSignal: string): Isolation {
  const signal = config.StopSignal || imageSignal;
  const wished: Isolation = {
    readonlyRoot: host.ReadonlyRootfs || undefined,
    privileged: host.Privileged || undefined,
    tmpfs: some([...(host.Tmpfs ?? []), ...(host.Mounts?.tmpfs ?? [])]),
    devices: some(host.Devices),
    shmBytes: host.ShmSize || undefined,
    domainname: config.Domainname || undefined,
    dns: some(host.Dns),
    dnsSearch: some(host.DnsSearch),
    dnsOptions: some(host.DnsOptions),
    extraHosts: some(host.ExtraHosts),
    ulimits: some(host.Ulimits),
    sysctls: Object.keys(host.Sysctls ?? {}).length > 0 ? (host.Sysctls ?? undefined) : undefined,
    groupAdd: some(host.GroupAdd),
    capAdd: some(host.CapAdd),
    capDrop: some(host.CapDrop),
    noNewPrivileges: host.SecurityOpt?.noNewPrivileges,
    maskedPaths: host.MaskedPaths ?? undefined,
    readonlyPaths: host.ReadonlyPaths ?? undefined,
    oomScoreAdj: host.OomScoreAdj || undefined,
    stopSignal: signal ? signalNumber(signal) : undefined,
    stopTimeout: config.StopTimeout ?? undefined,
    hostNamespaces: some(hostNamespaces(host)),
  };
  return Object.fromEntries(Object.entries(wished).filter(([, value]) => value !== undefined));
}

/** The seccomp setting that a request asks for, or undefined. */
export function securityOf({ SecurityOpt }: Partial<HostConfig>): SecuritySpec | undefined {
  const wish = SecurityOpt?.seccomp;
  if (wish === undefined) return undefined;
  return { seccomp: wish === "unconfined" ? wish : wish === "builtin" ? "default" : { profile: wish } };
}

function securityText(isolation: Isolation, { seccomp }: SecuritySpec): string[] | null {
  const profile = typeof seccomp === "object" ? seccomp.profile : seccomp === "default" ? "builtin" : seccomp;
  const options = [
    ...(isolation.noNewPrivileges === undefined ? [] : [`no-new-privileges=${isolation.noNewPrivileges}`]),
    ...(profile === undefined ? [] : [`seccomp=${profile}`]),
  ];
  return options.length > 0 ? options : null;
}

function hostNamespaces({ IpcMode, PidMode, UTSMode }: Partial<HostConfig>): HostNamespace[] {
  return [
    ...(IpcMode ? ["ipc" as const] : []),
    ...(PidMode ? ["pid" as const] : []),
    ...(UTSMode ? ["uts" as const] : []),
  ];
}

function some<T>(list: readonly T[] | null | undefined): readonly T[] | undefined {
  return list && list.length > 0 ? list : undefined;
}

/** Fields of HostConfig, as inspect shows them. */
export function isolationShape(
  isolation: Isolation = {},
  security: SecuritySpec = {},
): Readonly<Record<string, unknown>> {
  const shares = (name: HostNamespace) => isolation.hostNamespaces?.includes(name) ?? false;
  return {
    Privileged: isolation.privileged ?? false,
    ReadonlyRootfs: isolation.readonlyRoot ?? false,
    Tmpfs: Object.fromEntries((isolation.tmpfs ?? []).map((mount) => [mount.target, tmpfsText(mount)])),
    Devices: (isolation.devices ?? []).map(({ source, target, access }) => {
      return { PathOnHost: source, PathInContainer: target, CgroupPermissions: access };
    }),
    ShmSize: isolation.shmBytes ?? 67_108_864,
    Dns: isolation.dns ?? [],
    DnsSearch: isolation.dnsSearch ?? [],
    DnsOptions: isolation.dnsOptions ?? [],
    ExtraHosts: isolation.extraHosts ?? null,
    Ulimits: (isolation.ulimits ?? []).map(({ name, soft, hard }) => ({ Name: name, Soft: soft, Hard: hard })),
    Sysctls: isolation.sysctls ?? {},
    GroupAdd: isolation.groupAdd ?? null,
    CapAdd: isolation.capAdd ?? null,
    CapDrop: isolation.capDrop ?? null,
    SecurityOpt: securityText(isolation, security),
    MaskedPaths: isolation.maskedPaths ?? null,
    ReadonlyPaths: isolation.readonlyPaths ?? null,
    OomScoreAdj: isolation.oomScoreAdj ?? 0,
    IpcMode: shares("ipc") ? "host" : "private",
    PidMode: shares("pid") ? "host" : "",
    UTSMode: shares("uts") ? "host" : "",
  };
}

const WORDS = [
  [1, "ro"],
  [2, "nosuid"],
  [4, "nodev"],
  [8, "noexec"],
] as const;

function tmpfsText({ flags, options }: NonNullable<Isolation["tmpfs"]>[number]): string {
  return [...WORDS.filter(([flag]) => flags & flag).map(([, word]) => word), options].filter(Boolean).join(",");
}

/** Fields of Config. */
export function stopShape({ stopSignal, stopTimeout }: Isolation = {}): { StopSignal: string; StopTimeout?: number } {
  return {
    StopSignal: stopSignal === undefined ? "SIGTERM" : signalName(stopSignal),
    ...(stopTimeout === undefined ? {} : { StopTimeout: stopTimeout }),
  };
}
