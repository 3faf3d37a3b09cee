/**
 * What a user's isolation options mean as operations. plan.ts puts the pieces where they belong; each function here is
 * one aspect and gives nothing for a container that asks for nothing.
 */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { ChildOp, HostOp, MountOp } from "../launcher/generated/protocol.ts";
import type { CgroupLimits, Cgroups, ShownLeaf } from "./cgroups/index.ts";
import { deviceFilter } from "./device-filter.ts";
import { deviceNodeOps, deviceRules, hostDevices } from "./devices.ts";
import type { HostNamespace, Isolation, Propagation } from "./isolation.ts";
import { sysctlPath } from "./sysctls.ts";
import { DEVICE_RULES, KEPT, MASKED, READONLY, SYS } from "./tables.ts";
import { rlimitOps } from "./ulimits.ts";
import { hostId, type IdRange } from "./user-namespace.ts";

/** A directory or file of the host inside a container. */
export interface SandboxBind {
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** Default rprivate. */
  readonly propagation?: Propagation | undefined;
}

const NO_ISOLATION: Isolation = {};
const ATTRIBUTE = { readonly: 1n, nosuid: 2n, nodev: 4n, noexec: 8n } as const;
const RECURSIVE = 1n << 14n;
const PROPAGATION = { private: 1n << 18n, slave: 1n << 19n, shared: 1n << 20n } as const;
const REMOUNT = 32n;
const RDONLY = 1n;

/** Whether a namespace is the host's. */
export function sharesNamespace(isolation: Isolation | undefined, name: HostNamespace): boolean {
  return isolation?.hostNamespaces?.includes(name) ?? false;
}

/** Binds and tmpfs mounts, parents before what is mounted into them. */
export function mountOps(
  binds: readonly SandboxBind[],
  isolation: Isolation = NO_ISOLATION,
  ids?: IdRange | undefined,
): ChildOp[] {
  const depth = ({ target }: { target: string }) => target.split("/").filter(Boolean).length;
  const tmpfs = (isolation.tmpfs ?? []).map(({ target, flags, options }) => {
    const mapped = options.replace(/\b([ug]id=)(\d+)/g, (_, name, id) => name + hostId(Number(id), ids));
    return { kind: "tmpfs", target, flags: BigInt(flags), options: mapped } as const;
  });
  const privileged = isolation.privileged ?? false;
  return [...binds.map((bind) => bindOp(bind, privileged)), ...tmpfs].toSorted((a, b) => depth(a) - depth(b));
}

/**
 * Setuid programs of a bind count as those of the image do: not at all while no_new_privs is on. Its device nodes are
 * of no use: which devices a container has is not decided by what lies in a directory.
 */
function bindOp({ source, target, readonly, propagation = "rprivate" }: SandboxBind, privileged: boolean) {
  const kind = propagation.replace(/^r(?=private|slave|shared)/, "");
  const type = kind === "shared" ? PROPAGATION.shared : kind === "slave" ? PROPAGATION.slave : PROPAGATION.private;
  return {
    kind: "attach_tree",
    source,
    target,
    attributes: (readonly ? ATTRIBUTE.readonly : 0n) | (privileged ? 0n : ATTRIBUTE.nodev),
    propagation: type | (kind === propagation ? 0n : RECURSIVE),
  } as const;
}

/** What is in /dev beyond the usual: the size of shm, the host's devices, the host's shm with its IPC namespace. */
export function deviceOps(isolation: Isolation = NO_ISOLATION, ids?: IdRange | undefined): ChildOp[] {
  const ops: ChildOp[] = deviceNodeOps(hostDevices(isolation), ids);
  const flags = ATTRIBUTE.nosuid | ATTRIBUTE.nodev | ATTRIBUTE.noexec;
  if (sharesNamespace(isolation, "ipc")) {
    const propagation = PROPAGATION.private | RECURSIVE;
    ops.push({ kind: "attach_tree", source: "/dev/shm", target: "/dev/shm", attributes: flags, propagation });
  } else if (isolation.shmBytes !== undefined) {
    const options = `size=${isolation.shmBytes}`;
    ops.push({ kind: "mount", fstype: "tmpfs", target: "/dev/shm", flags: REMOUNT | flags, options });
  }
  return ops;
}

/** /sys: read-only, except for a privileged container. */
export function sysOp(isolation: Isolation = NO_ISOLATION): MountOp {
  return isolation.privileged ? { ...SYS, flags: SYS.flags & ~RDONLY } : SYS;
}

/** Hides and protects paths of /proc and /sys. */
export function hideOps(isolation: Isolation = NO_ISOLATION): ChildOp[] {
  const all = isolation.privileged ?? false;
  const masked = isolation.maskedPaths ?? (all ? [] : MASKED);
  const readonly = isolation.readonlyPaths ?? (all ? [] : READONLY);
  return [
    ...masked.map((path): ChildOp => ({ kind: "mask", path })),
    ...[...readonly, ...KEPT].map((path): ChildOp => ({ kind: "make_readonly", path })),
  ];
}

/**
 * Shows again what the user's mounts may have covered and CRIU trusts: a container with a tmpfs at /run could write it
 * itself. Root in a user namespace is not asked, for its container cannot be checkpointed.
 * @param lowers  of the root; the last one has the files.
 */
export function keepOps(
  lowers: readonly string[],
  binds: readonly SandboxBind[],
  isolation: Isolation = NO_ISOLATION,
  ids?: IdRange | undefined,
): ChildOp[] {
  if (ids !== undefined || binds.length + (isolation.tmpfs ?? []).length === 0) return [];
  return KEPT.flatMap((target): ChildOp[] => {
    const source = join(lowers.at(-1) ?? "/", target);
    return existsSync(source) ? [{ kind: "keep_file", source, target }] : [];
  });
}

/** Names and sysctls of the sandbox's own namespaces. After the network is up. */
export function namespaceOps(hostname: string, isolation: Isolation = NO_ISOLATION): ChildOp[] {
  const { domainname, sysctls = {} } = isolation;
  const uts = sharesNamespace(isolation, "uts");
  return [
    ...(uts ? [] : [{ kind: "hostname", name: hostname } as const]),
    ...(uts || !domainname ? [] : [{ kind: "domainname", name: domainname } as const]),
    ...Object.entries(sysctls).map(([name, value]): ChildOp => ({ kind: "sysctl", path: sysctlPath(name), value })),
  ];
}

/** Makes the root read-only; `cwd` is made before, for afterwards nobody can. */
export function readonlyRootOps(cwd: string, isolation: Isolation = NO_ISOLATION): ChildOp[] {
  if (!isolation.readonlyRoot) return [];
  const inRoot = cwd.split("/").filter(Boolean).length > 0;
  return [...(inRoot ? [{ kind: "make_root_dir", path: cwd, mode: 0o755 } as const] : []), { kind: "root_readonly" }];
}

/** Limits of the program, set while it is still root. */
export function limitOps(isolation: Isolation = NO_ISOLATION): ChildOp[] {
  return rlimitOps(isolation.ulimits ?? []);
}

/**
 * The leaf of the v1 devices controller that a container with devices gets in place of the usual one, whose rules
 * nobody can widen. Its parent allows everything, so each leaf in it starts with taking everything away.
 */
function wideLeaf(cgroups: Cgroups, id: string): string | undefined {
  const [leaf] = cgroups.layout.version === 1 ? cgroups.wideParents() : [];
  return leaf === undefined ? undefined : join(leaf, id);
}

/** The leaves that a container is in, one a hierarchy, as it sees them. */
export function ownLeaves(
  cgroups: Cgroups,
  id: string,
  { limits, isolation = NO_ISOLATION }: { readonly limits: CgroupLimits; readonly isolation?: Isolation | undefined },
): ShownLeaf[] {
  const wide = needsDevices(isolation) ? wideLeaf(cgroups, id) : undefined;
  const usual = cgroups.leaf(id, "devices");
  return cgroups.view(id, limits).map((shown) => (wide && shown.path === usual ? { ...shown, path: wide } : shown));
}

/** With v2 a program at the container's leaf decides, whatever the container asks for. */
function deviceFilterOps(cgroups: Cgroups, id: string, isolation: Isolation): HostOp[] {
  const path = cgroups.leaf(id, "devices");
  if (path === undefined || isolation.privileged) return [];
  const rules = [...DEVICE_RULES, ...deviceRules(hostDevices(isolation))];
  return [{ kind: "device_filter", path, program: deviceFilter(rules) }];
}

/** Makes that leaf; after all others, so that it is the last one joined. */
export function deviceLeafOps(cgroups: Cgroups, id: string, isolation: Isolation = NO_ISOLATION): HostOp[] {
  if (cgroups.layout.version === 2) return deviceFilterOps(cgroups, id, isolation);
  const leaf = needsDevices(isolation) ? wideLeaf(cgroups, id) : undefined;
  if (leaf === undefined) return [];
  const rules = isolation.privileged ? [] : [...DEVICE_RULES, ...deviceRules(hostDevices(isolation))];
  const set = (file: string, value: string): HostOp => ({ kind: "cgroup_set", path: join(leaf, file), value });
  return [
    { kind: "make_dir", path: dirname(leaf), mode: 0o755 },
    { kind: "cgroup_make", path: leaf },
    ...(isolation.privileged ? [] : [set("devices.deny", "a")]),
    ...rules.map((rule) => set("devices.allow", rule)),
  ];
}

/** Removes it. */
export function deviceLeafCleanup(cgroups: Cgroups, id: string, isolation: Isolation = NO_ISOLATION): HostOp[] {
  const leaf = needsDevices(isolation) ? wideLeaf(cgroups, id) : undefined;
  return leaf === undefined ? [] : [{ kind: "cgroup_remove", path: leaf }];
}

function needsDevices({ privileged, devices = [] }: Isolation): boolean {
  return privileged === true || devices.length > 0;
}
