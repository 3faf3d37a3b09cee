/**
 * The container in an archive that somebody else made: its shape is checked whole, what it may do to this host is put
 * into words, and its root is whatever this machine has of its image.
 */
import { basename } from "node:path";
import { z } from "zod";
import { ThawError } from "../../common/errors.ts";
import type { ContainerSpec } from "../../container/types.ts";

const Text = z.string().max(4096);
const Absolute = Text.startsWith("/");
const Whole = z.number().int();
const Size = Whole.nonnegative();

const Isolation = z
  .strictObject({
    readonlyRoot: z.boolean(),
    privileged: z.boolean(),
    tmpfs: z.array(z.strictObject({ target: Absolute, flags: Size, options: Text })),
    shmBytes: Size,
    domainname: Text,
    dns: z.array(Text),
    dnsSearch: z.array(Text),
    dnsOptions: z.array(Text),
    extraHosts: z.array(Text),
    ulimits: z.array(z.strictObject({ name: Text, soft: Whole, hard: Whole })),
    sysctls: z.record(Text, Text),
    groupAdd: z.array(Text),
    capAdd: z.array(Text),
    capDrop: z.array(Text),
    noNewPrivileges: z.boolean(),
    maskedPaths: z.array(Absolute),
    readonlyPaths: z.array(Absolute),
    oomScoreAdj: Whole.min(-1000).max(1000),
    stopSignal: Whole.min(0).max(64),
    stopTimeout: Whole.min(-1),
  })
  .partial();

const Limits = z
  .strictObject({
    memory: Size,
    nanoCpus: Size,
    pids: Size,
    memorySwap: Whole.min(-1),
    memoryReservation: Size,
    cpuPeriod: Size,
    cpuQuota: Whole.min(-1),
    cpuShares: Size,
    cpusetCpus: Text,
    cpusetMems: Text,
    blkioWeight: Size,
  })
  .partial();

const Attachment = z.strictObject({
  network: Text,
  aliases: z.array(Text),
  ip: Text.optional(),
  ip6: Text.optional(),
  mac: Text.optional(),
});

/** A container's spec without its root's directories, as an archive has it. */
export const ArchivedContainer = z.strictObject({
  name: Text,
  image: Text.optional(),
  rootfs: Absolute.optional(),
  argv: z.array(z.string()).max(100_000),
  env: z.array(z.string()).max(100_000),
  cwd: Text,
  user: Text,
  hostname: Text,
  tty: z.boolean(),
  openStdin: z.boolean(),
  network: z.strictObject({ mode: z.enum(["none", "host", "bridge"]), attachments: z.array(Attachment).max(100) }),
  binds: z
    .array(
      z.strictObject({
        source: Text,
        target: Absolute,
        readonly: z.boolean(),
        propagation: z.enum(["private", "rprivate", "slave", "rslave", "shared", "rshared"]).optional(),
        volume: Text.optional(),
        anonymous: z.boolean().optional(),
        noCopy: z.boolean().optional(),
        volumeLabels: z.record(Text, Text).optional(),
      }),
    )
    .max(1000),
  ports: z
    .array(
      z.strictObject({
        hostAddress: Text,
        hostPort: Size.max(65_535),
        containerPort: Size.max(65_535),
        protocol: z.enum(["tcp", "udp"]),
      }),
    )
    .max(1000),
  limits: Limits,
  labels: z.record(Text, Text),
  autoRemove: z.boolean(),
  init: z.literal(true),
  lean: z.boolean().optional(),
  isolation: Isolation.optional(),
  /** Digest of the hooks that renew random numbers, which every thaw makes for itself. */
  hooks: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  security: z.strictObject({ seccomp: z.enum(["default", "unconfined"]).optional() }).optional(),
});

/** See above. */
export type ArchivedContainer = z.infer<typeof ArchivedContainer>;

/** What a container of an archive may do to this host beyond what any container may, in words. */
export function rightsOf({ rootfs, network, binds, isolation, security }: ArchivedContainer): string[] {
  const paths = binds.map(({ source, volume, target }) => `${volume ?? source} at ${target}`);
  return [
    ...(rootfs === undefined ? [] : [`the directory ${rootfs} as its root`]),
    ...(network.mode === "host" ? ["the host's network"] : []),
    ...paths,
    ...(isolation?.privileged === true ? ["all privileges"] : []),
    ...(isolation?.capAdd?.length ? [`the capabilities ${isolation.capAdd.join(", ")}`] : []),
    ...(isolation?.noNewPrivileges === false ? ["new privileges by programs with set-uid"] : []),
    ...(isolation?.maskedPaths || isolation?.readonlyPaths ? ["other hidden paths than usual"] : []),
    ...(Object.keys(isolation?.sysctls ?? {}).length > 0 ? ["sysctls"] : []),
    ...((isolation?.oomScoreAdj ?? 0) < 0 ? ["being spared when memory runs out"] : []),
    ...(security?.seccomp === "unconfined" ? ["every system call"] : []),
  ];
}

/** The container as an archive can hold it. @throws ThawError UNSUPPORTED for what belongs to one machine. */
export function archivedContainer({ lowers: _, hooks, ...spec }: ContainerSpec): ArchivedContainer {
  // Through JSON, as it will be read: what is undefined is not there.
  const plain = JSON.parse(JSON.stringify({ ...spec, hooks: hooks && basename(hooks) }));
  const parsed = ArchivedContainer.safeParse(plain);
  if (parsed.success) return parsed.data;
  throw new ThawError("UNSUPPORTED", `the container cannot be exported: ${z.prettifyError(parsed.error)}`, {
    hint: "Devices and seccomp profiles of this machine cannot be taken elsewhere.",
  });
}

/**
 * A spec out of an archive's container, a root and the hooks of this machine.
 * @throws ThawError CHECKPOINT_INCOMPATIBLE when those are others.
 */
export function specFrom(container: ArchivedContainer, lowers: readonly string[], hooks: string): ContainerSpec {
  const { image, rootfs, limits, network, hooks: wanted, ...rest } = container;
  if (wanted !== undefined && wanted !== basename(hooks)) {
    throw new ThawError("CHECKPOINT_INCOMPATIBLE", "its processes have hooks of another version of thaw", {
      hint: "Make the checkpoint again with this version of thaw.",
    });
  }
  const attachments = network.attachments.map((one) => ({ ip: undefined, ip6: undefined, mac: undefined, ...one }));
  return {
    ...rest,
    image,
    rootfs,
    lowers,
    hooks: wanted === undefined ? undefined : hooks,
    limits: { memory: undefined, nanoCpus: undefined, pids: undefined, ...limits },
    network: { mode: network.mode, attachments },
  };
}
