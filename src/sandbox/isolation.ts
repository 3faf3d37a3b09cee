/**
 * What a user may ask of a container's isolation beyond the defaults, as plain data: it is kept with the container and
 * in checkpoints. Every field may be missing, in rows of older versions too, and then means the default.
 */

/** A tmpfs of the container's own. */
export interface TmpfsMount {
  readonly target: string;
  /** MS_* of mount(2). */
  readonly flags: number;
  /** Options of the file system: "size=64m,mode=1777". */
  readonly options: string;
}

/** A device of the host, or a directory of them. */
export interface DeviceRequest {
  /** On the host. */
  readonly source: string;
  /** In the container. */
  readonly target: string;
  /** Some of `r`, `w` and `m`. */
  readonly access: string;
}

/** A limit of setrlimit(2); -1 is unlimited. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** How mounts made on one side show on the other, as of mount(8). `r`: also below what is bound. */
export type Propagation = "private" | "rprivate" | "slave" | "rslave" | "shared" | "rshared";

/** Isolation as wished. */
export interface Isolation {
  /** The root is read-only; mounts in it are not. */
  readonly readonlyRoot?: boolean | undefined;
  /** Every capability, every device, nothing hidden or read-only: as good as root on the host. */
  readonly privileged?: boolean | undefined;
  readonly tmpfs?: readonly TmpfsMount[] | undefined;
  readonly devices?: readonly DeviceRequest[] | undefined;
  /** Size of /dev/shm in bytes. */
  readonly shmBytes?: number | undefined;
  readonly domainname?: string | undefined;
  /** What resolv.conf says instead of the machine's. */
  readonly dns?: readonly string[] | undefined;
  readonly dnsSearch?: readonly string[] | undefined;
  readonly dnsOptions?: readonly string[] | undefined;
  /** `name:address` for /etc/hosts; the address may be `host-gateway`. */
  readonly extraHosts?: readonly string[] | undefined;
  readonly ulimits?: readonly Ulimit[] | undefined;
  readonly sysctls?: Readonly<Record<string, string>> | undefined;
  /** Names or numbers. */
  readonly groupAdd?: readonly string[] | undefined;
  /** Names without CAP_, or ALL. */
  readonly capAdd?: readonly string[] | undefined;
  readonly capDrop?: readonly string[] | undefined;
  /** Default true. */
  readonly noNewPrivileges?: boolean | undefined;
  /** Instead of the usual ones. */
  readonly maskedPaths?: readonly string[] | undefined;
  readonly readonlyPaths?: readonly string[] | undefined;
  /** -1000 to 1000. */
  readonly oomScoreAdj?: number | undefined;
  /** What `stop` sends first, and how many seconds it waits then; -1: for ever. */
  readonly stopSignal?: number | undefined;
  readonly stopTimeout?: number | undefined;
  /** Namespaces that are the host's. */
  readonly hostNamespaces?: readonly HostNamespace[] | undefined;
}

/** A namespace that a container may share with the host. */
export type HostNamespace = "ipc" | "pid" | "uts";
