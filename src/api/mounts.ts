/**
 * What is shown inside a container, in Docker's forms: `Binds` ("source:target:options"), `Mounts` (objects) and
 * `Volumes` (targets alone). The output of all of them is the same.
 */
import { z } from "zod";
import type { Propagation } from "../sandbox/isolation.ts";
import { VOLUME_NAME } from "../volume/name.ts";
import { parseTmpfs } from "./tmpfs.ts";
import { unsupported } from "./validate.ts";
import { pathSchema } from "./values.ts";

/** A bind of a path of the host, or a volume. */
export interface BindWish {
  /** Absolute; of a volume "". */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  readonly propagation?: Propagation;
  /** A volume's name; "": a new one without a name. */
  readonly volume?: string;
  readonly noCopy?: boolean;
  readonly volumeLabels?: Readonly<Record<string, string>>;
}

/** A tmpfs out of `Mounts`. */
export interface TmpfsWish {
  readonly target: string;
  readonly flags: number;
  readonly options: string;
}

/** The ways to propagate. */
export const PROPAGATIONS = ["private", "rprivate", "slave", "rslave", "shared", "rshared"] as const;
/** Said by users of other engines and systems; nothing has to be done for them here. */
const WITHOUT_MEANING = ["z", "Z", "consistent", "cached", "delegated"];

/** "source:target[:options]"; undefined when it is something else. The source is an absolute path or a volume's name. */
export function parseBind(text: string): BindWish | undefined {
  const [source = "", target = "", options = "", ...more] = text.split(":");
  const isPath = source.startsWith("/");
  if (more.length > 0 || !target.startsWith("/") || !(isPath || VOLUME_NAME.test(source))) return undefined;
  let wish: BindWish = { source: isPath ? source : "", target, readonly: false, ...(isPath ? {} : { volume: source }) };
  for (const option of options.split(",").filter(Boolean)) {
    const change = bindOption(option, isPath);
    if (change === undefined) return undefined;
    wish = { ...wish, ...change };
  }
  return wish;
}

function bindOption(option: string, isPath: boolean): Partial<BindWish> | undefined {
  if (option === "ro" || option === "rw") return { readonly: option === "ro" };
  const propagation = PROPAGATIONS.find((known) => known === option);
  if (propagation !== undefined) return isPath ? { propagation } : undefined;
  if (option === "nocopy") return isPath ? undefined : { noCopy: true };
  return WITHOUT_MEANING.includes(option) ? {} : undefined;
}

const BIND_FORM =
  "expected source:target[:options] with an absolute path or a volume's name, an absolute target, and of ro, rw, nocopy, rprivate, rslave, rshared...";

/** HostConfig.Binds. */
export const bindSchema = z.string().transform((text, context) => {
  const bind = parseBind(text);
  if (bind !== undefined) return bind;
  context.addIssue({ code: "custom", message: BIND_FORM });
  return z.NEVER;
});

const common = {
  Target: pathSchema,
  ReadOnly: z.boolean().nullish(),
  Consistency: z.enum(["", "default", "consistent", "cached", "delegated"]).nullish(),
} as const;

const bindMount = z.strictObject({
  ...common,
  Type: z.literal("bind"),
  Source: pathSchema,
  BindOptions: z
    .object({ Propagation: z.union([z.enum(PROPAGATIONS), z.literal("")]).nullish() })
    .catchall(unsupported())
    .nullish(),
});

const volumeMount = z.strictObject({
  ...common,
  Type: z.literal("volume"),
  Source: z.union([z.string().regex(VOLUME_NAME, { error: "expected a volume's name" }), z.literal("")]).nullish(),
  VolumeOptions: z
    .object({
      NoCopy: z.boolean().nullish(),
      Labels: z.record(z.string(), z.string()).nullish(),
      DriverConfig: z.object({ Name: unsupported("local"), Options: unsupported() }).nullish(),
    })
    .catchall(unsupported())
    .nullish(),
});

const tmpfsMount = z.strictObject({
  ...common,
  Type: z.literal("tmpfs"),
  Source: z.literal("").nullish(),
  TmpfsOptions: z
    .object({ SizeBytes: z.int().min(0).nullish(), Mode: z.int().min(0).max(0o7777).nullish() })
    .catchall(unsupported())
    .nullish(),
});

/** HostConfig.Mounts. */
export const mountsSchema = z
  .array(z.discriminatedUnion("Type", [bindMount, volumeMount, tmpfsMount]))
  .transform((mounts) => ({
    binds: mounts.flatMap((mount) => (mount.Type === "tmpfs" ? [] : [bindOf(mount)])),
    tmpfs: mounts.flatMap((mount) => (mount.Type === "tmpfs" ? [tmpfsOf(mount)] : [])),
  }));

function bindOf(mount: z.output<typeof bindMount> | z.output<typeof volumeMount>): BindWish {
  const place = { target: mount.Target, readonly: mount.ReadOnly ?? false };
  if (mount.Type === "bind") {
    const propagation = mount.BindOptions?.Propagation || undefined;
    return { source: mount.Source, ...place, ...(propagation === undefined ? {} : { propagation }) };
  }
  const { NoCopy, Labels } = mount.VolumeOptions ?? {};
  return {
    source: "",
    ...place,
    volume: mount.Source ?? "",
    ...(NoCopy ? { noCopy: true } : {}),
    ...(Labels ? { volumeLabels: Labels } : {}),
  };
}

function tmpfsOf({ Target, ReadOnly, TmpfsOptions }: z.output<typeof tmpfsMount>): TmpfsWish {
  const words = [
    ...(ReadOnly ? ["ro"] : []),
    ...(TmpfsOptions?.SizeBytes ? [`size=${TmpfsOptions.SizeBytes}`] : []),
    ...(TmpfsOptions?.Mode ? [`mode=${TmpfsOptions.Mode.toString(8)}`] : []),
  ];
  const parsed = parseTmpfs(words.join(","));
  // The words are made above; a text would say that one of them is unknown.
  if (typeof parsed === "string") throw new Error(parsed);
  return { target: Target, ...parsed };
}

/** Volumes of the configuration: { "/data": {} }, a nameless volume each. */
export const volumeTargetsSchema = z
  .record(pathSchema, z.unknown())
  .transform((targets) =>
    Object.keys(targets).map((target): BindWish => ({ source: "", target, readonly: false, volume: "" })),
  );

/** HostConfig.VolumesFrom: "container[:ro|rw]". */
export const volumesFromSchema = z.string().transform((text, context) => {
  const [, container, mode] = /^([a-zA-Z0-9][a-zA-Z0-9_.-]*)(?::(ro|rw))?$/.exec(text) ?? [];
  if (container !== undefined) return { container, mode };
  context.addIssue({ code: "custom", message: "expected CONTAINER[:ro|rw]" });
  return z.NEVER;
});
