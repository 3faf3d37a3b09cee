/** What podman's config.dump and spec.dump say about a container, as a container of thaw's. */
import { z } from "zod";
import { ThawError } from "../../common/errors.ts";
import type { ContainerSpec } from "../../container/types.ts";

const Port = z.object({
  host_ip: z.string().default(""),
  host_port: z.number().int().min(0).max(65_535),
  container_port: z.number().int().min(1).max(65_535),
  range: z.number().int().default(1),
  protocol: z.string().default("tcp"),
});

const Config = z.object({
  name: z.string().max(255),
  rootfsImageName: z.string().max(4096).default(""),
  createNetNS: z.boolean().default(false),
  newPortMappings: z.array(Port).max(1000).nullish(),
  stopSignal: z.number().int().min(0).max(64).optional(),
  stopTimeout: z.number().int().min(0).max(1_000_000).optional(),
});

const Spec = z.object({
  hostname: z.string().max(64).default(""),
  process: z.object({
    terminal: z.boolean().default(false),
    user: z.object({ uid: z.number().int(), gid: z.number().int() }),
    args: z.array(z.string()).min(1).max(100_000),
    env: z.array(z.string()).max(100_000).default([]),
    cwd: z.string().startsWith("/"),
  }),
  mounts: z.array(z.object({ destination: z.string() })).max(10_000),
  linux: z.object({ namespaces: z.array(z.object({ type: z.string(), path: z.string().optional() })) }),
});

/** Mounts that every container of podman's has, and for which a sandbox has its own. */
const USUAL_MOUNTS = new Set([
  ...["/proc", "/dev", "/dev/pts", "/dev/mqueue", "/dev/shm", "/sys", "/sys/fs/cgroup"],
  ...["/etc/hosts", "/etc/hostname", "/etc/resolv.conf", "/run/.containerenv"],
]);

const OWN_NAMESPACES = ["pid", "network", "ipc", "uts", "mount"];

/** Where podman puts images that it made or took from Docker Hub. */
const PREFIX = /^(localhost|docker\.io\/library|docker\.io)\//;

/** The container of an archive, without its root. */
export interface PodmanContainer {
  readonly name: string;
  /** The image's name as thaw would say it. */
  readonly image: string;
  readonly spec: Omit<ContainerSpec, "lowers" | "image">;
}

/** @throws ThawError BAD_ARCHIVE; UNSUPPORTED for what a sandbox of thaw's would not have. */
export function podmanContainer(configDump: string, specDump: string): PodmanContainer {
  const config = parse("config.dump", Config, configDump);
  const spec = parse("spec.dump", Spec, specDump);
  const { stopSignal, stopTimeout } = config;
  refuseForeign(spec);
  return {
    name: config.name,
    image: config.rootfsImageName.replace(PREFIX, ""),
    spec: {
      ...{ name: config.name, rootfs: undefined, hostname: spec.hostname },
      ...{ argv: spec.process.args, env: spec.process.env, cwd: spec.process.cwd },
      ...{ user: `${spec.process.user.uid}:${spec.process.user.gid}`, tty: false, openStdin: false },
      network: networkOf(config),
      binds: [],
      ports: config.createNetNS ? portsOf(config) : [],
      limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
      labels: {},
      autoRemove: false,
      // Its program is pid 1: started again, it has to be so, too; and it cannot be dumped once more.
      init: false,
      isolation: {
        ...(stopSignal === undefined ? {} : { stopSignal }),
        ...(stopTimeout === undefined ? {} : { stopTimeout }),
      },
    },
  };
}

function networkOf({ createNetNS }: z.infer<typeof Config>): ContainerSpec["network"] {
  if (!createNetNS) return { mode: "none", attachments: [] };
  const attachment = { network: "bridge", aliases: [], ip: undefined, ip6: undefined, mac: undefined };
  return { mode: "bridge", attachments: [attachment] };
}

function portsOf({ newPortMappings }: z.infer<typeof Config>): ContainerSpec["ports"] {
  return (newPortMappings ?? []).flatMap(({ host_ip, host_port, container_port, range, protocol }) => {
    if (protocol !== "tcp" && protocol !== "udp") throw unsupported(`a port of ${protocol}`);
    if (range < 1 || container_port + range > 65_536) throw new ThawError("BAD_ARCHIVE", `config.dump: ${range} ports`);
    return Array.from({ length: range }, (_, index) => ({
      ...{ hostAddress: host_ip, hostPort: host_port + index, containerPort: container_port + index, protocol },
    }));
  });
}

function refuseForeign({ process, mounts, linux }: z.infer<typeof Spec>): void {
  if (process.terminal) throw unsupported("a terminal");
  const other = mounts.map(({ destination }) => destination).filter((destination) => !USUAL_MOUNTS.has(destination));
  if (other.length > 0) throw unsupported(`other mounts than usual: ${other.join(", ")}`);
  const types = linux.namespaces.map(({ type }) => type);
  if (types.includes("user")) throw unsupported("a user namespace");
  const missing = OWN_NAMESPACES.filter((type) => !types.includes(type));
  if (missing.length > 0) throw unsupported(`the host's namespaces: ${missing.join(", ")}`);
  const joined = linux.namespaces.find(({ type, path }) => path && type !== "network");
  if (joined !== undefined) throw unsupported(`another container's namespace: ${joined.type}`);
}

function parse<T>(name: string, schema: z.ZodType<T>, text: string): T {
  try {
    return schema.parse(JSON.parse(text));
  } catch (cause) {
    const why = cause instanceof z.ZodError ? z.prettifyError(cause) : "expected JSON";
    throw new ThawError("BAD_ARCHIVE", `${name}: ${why}`, {
      hint: "The archive is damaged or was made by another program.",
      cause,
    });
  }
}

function unsupported(what: string): ThawError {
  return new ThawError("UNSUPPORTED", `the archive's container has ${what}`, {
    hint: "Start the container with thaw and make the checkpoint here.",
  });
}
