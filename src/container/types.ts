/**
 * What a container is to the rest of thaw. A container is one sandbox (namespaces, cgroup leaf, root) with one
 * main process in it. Its life: created -> running -> exited, and removed from any but running. The database row
 * is the wish, the launcher's record is the fact; `ContainerManager.reconcile` makes them agree after a crash.
 */
import type { NetworkAttachment, NetworkChoice, NetworkManager } from "../network/index.ts";
import type { CgroupLimits, CgroupStats } from "../sandbox/index.ts";
import type { ContainerProcess } from "./processes.ts";

export type { DeviceRate } from "../sandbox/index.ts";

/** What a container may use. */
export type Limits = CgroupLimits;

import type { IdRange, SeccompSetting } from "../sandbox/index.ts";
import type { Isolation, Propagation } from "../sandbox/isolation.ts";

/** What may be asked of a container; the fields follow the Docker Engine API's meaning. */
export interface ContainerSpec {
  readonly name: string;
  /** Image reference as given, or undefined when `rootfs` is used. */
  readonly image: string | undefined;
  /** Absolute directory used as (read-only lower of) the root. */
  readonly rootfs: string | undefined;
  /** Lower directories of the root, top first, init layer last. */
  readonly lowers: readonly string[];
  readonly argv: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly cwd: string;
  /** `uid[:gid]` or names of the image's own files. */
  readonly user: string;
  readonly hostname: string;
  readonly tty: boolean;
  readonly openStdin: boolean;
  readonly network: NetworkChoice;
  readonly binds: readonly Bind[];
  /** Published by the network's rules, or, without a network, through the gateway (TCP only). */
  readonly ports: readonly PortBinding[];
  readonly limits: Limits;
  readonly labels: Readonly<Record<string, string>>;
  /** Removed when it exits. */
  readonly autoRemove: boolean;
  /** A small init as pid 1, the command as pid 2 (needed for checkpoints); without it the command is pid 1. */
  readonly init: boolean;
  /** The root is read-only and has no writable layer. */
  readonly lean?: boolean | undefined;
  /** What was asked for beyond the usual isolation. Missing in rows of older versions. */
  readonly isolation?: Isolation | undefined;
  /** A user namespace of its own; without it the ids inside are the host's. */
  readonly userns?: UserNamespace | undefined;
  /** Host's directory of the hooks that its environment names, shown at /dev/thaw/hooks; missing: it has none. */
  readonly hooks?: string | undefined;
  /** Missing: the defaults. */
  readonly security?: SecuritySpec | undefined;
}

export interface SecuritySpec {
  /** Missing: none for a privileged container, thaw's own profile for others. */
  readonly seccomp?: SeccompSetting | undefined;
}

export interface UserNamespace {
  /** The host's ids it has, for as long as the container exists; chosen when it is created. */
  readonly ids: IdRange | undefined;
}

export interface Bind {
  /** On the host; of a volume that is still to be made: "". */
  readonly source: string;
  readonly target: string;
  readonly readonly: boolean;
  /** Default rprivate. */
  readonly propagation?: Propagation | undefined;
  /** Name of the volume that it is; "": a new one without a name. */
  readonly volume?: string | undefined;
  /** The volume was made for this container and goes with it. */
  readonly anonymous?: boolean | undefined;
  /** A volume that is not filled from the image. */
  readonly noCopy?: boolean | undefined;
  /** Of a volume that is to be made. */
  readonly volumeLabels?: Readonly<Record<string, string>> | undefined;
}

export interface PortBinding {
  readonly hostAddress: string;
  /** 0 until the container is made: any that is free. */
  readonly hostPort: number;
  readonly containerPort: number;
  readonly protocol: "tcp" | "udp";
}

export type ContainerState = "created" | "running" | "exited" | "dead";

/** A container as the database knows it. */
export interface Container {
  /** 64 hex digits. */
  readonly id: string;
  readonly spec: ContainerSpec;
  readonly state: ContainerState;
  /** The host's pid of the main process while running, else 0. */
  readonly pid: number;
  /** Running, and all of it stands still. Not in the row: the kernel knows. */
  readonly paused?: boolean;
  /** 0-255 as a shell gives it; 128 + n after signal n. */
  readonly exitCode: number;
  readonly oomKilled: boolean;
  /** Why it could not start, or "". */
  readonly error: string;
  /** Milliseconds since the epoch; 0 when not yet. */
  readonly createdAt: number;
  readonly startedAt: number;
  readonly finishedAt: number;
  /** Name of the checkpoint it was restored from. */
  readonly restoredFrom: string | undefined;
  /** Name of the service it is the instance of. */
  readonly service: string | undefined;
}

/** One record of a container's output. */
export interface LogRecord {
  readonly stream: "stdout" | "stderr";
  /** Nanoseconds since the epoch. */
  readonly atNs: bigint;
  readonly bytes: Uint8Array;
}

/** A byte stream to a running container, framed as the Docker API's attach (raw with a terminal). */
export interface Attachment {
  /** Output, as the API's client wants it: 8-byte stdcopy headers without a terminal, raw with one. */
  readonly output: AsyncIterable<Uint8Array>;
  write(bytes: Uint8Array): Promise<void>;
  /** The client sends no more: stdin is closed. */
  closeInput(): void;
  close(): void;
}

export interface RemoveOptions {
  /** Also when it runs. */
  readonly force?: boolean;
  /** With its nameless volumes. */
  readonly volumes?: boolean;
}

/** What is done to a running container through its cgroups. Instances of services are left alone. */
export interface ContainerResources {
  /** Stops all of it where it is. Resolves when it stands still. @throws ThawError WRONG_STATE, TIMEOUT. */
  pause(idOrName: string): Promise<void>;
  /** Lets it go on. @throws ThawError WRONG_STATE when it is not paused. */
  unpause(idOrName: string): Promise<void>;
  /**
   * Changes the limits that are given: of what runs at once, of what does not when it is started. All or none.
   * @throws ThawError INVALID, UNSUPPORTED_MACHINE, WRONG_STATE (less memory than it uses), NO_SPACE.
   */
  update(idOrName: string, changes: Partial<Limits>): Promise<Container>;
  /** What it uses now; all zero when it does not run. */
  stats(idOrName: string): Promise<CgroupStats>;
  /** @throws ThawError WRONG_STATE when it does not run. */
  processes(idOrName: string): Promise<ContainerProcess[]>;
}

export interface ContainerManager {
  /** What the containers are connected to. */
  readonly networks: NetworkManager;
  readonly resources: ContainerResources;
  /** @throws ThawError NAME_IN_USE, PATH_NOT_FOUND, INVALID, NO_SPACE. */
  create(spec: ContainerSpec): Promise<Container>;
  /** Resolves when the program was exec'd. @throws ThawError START_FAILED (no such program...), WRONG_STATE. */
  start(idOrName: string): Promise<Container>;
  /** By full id, unambiguous prefix of an id, or name. @throws ThawError CONTAINER_NOT_FOUND. */
  get(idOrName: string): Container;
  list(filter?: { all?: boolean }): Container[];
  /** Resolves when the container has exited and nothing of its sandbox is left. */
  wait(idOrName: string, signal?: AbortSignal): Promise<Container>;
  signal(idOrName: string, signo: number): Promise<void>;
  /**
   * The container's stop signal (SIGTERM unless it has another, or `signo`), after `timeoutMs` SIGKILL; resolves when
   * exited. Without `timeoutMs`: as long as the container says, else 10 seconds. Infinity waits for ever.
   */
  stop(idOrName: string, timeoutMs?: number, signo?: number): Promise<void>;
  /** @throws ThawError WRONG_STATE when it runs and not `force`. */
  remove(idOrName: string, options?: RemoveOptions): Promise<void>;
  attach(idOrName: string, streams: { stdin: boolean; stdout: boolean; stderr: boolean }): Promise<Attachment>;
  resize(idOrName: string, rows: number, cols: number): Promise<void>;
  /** Records from the beginning (or the last `tail`), and on as they come with `follow` until it exits. */
  logs(idOrName: string, options: { follow: boolean; tail?: number; signal?: AbortSignal }): AsyncIterable<LogRecord>;
  /** Puts a container into a network, at once when it runs. @throws ThawError NETWORK_NOT_FOUND, WRONG_STATE, IN_USE. */
  connect(idOrName: string, attachment: NetworkAttachment): Promise<void>;
  /** Takes it out. @throws ThawError NETWORK_NOT_FOUND, WRONG_STATE. */
  disconnect(idOrName: string, network: string): Promise<void>;
  /** Called for every change of a container's state. Returns the way to stop it. */
  onChange(listener: (container: Container) => void): () => void;
  /** Makes database and kernel agree; called once at start and after the launcher came back. */
  reconcile(): Promise<void>;
}
