/**
 * Where thaw keeps things. Everything that must survive lies under the data directory, everything
 * that may vanish at boot under the run directory, everything that can be fetched or made again
 * (the CRIU packages, base root file systems) under the cache. Two daemons with different
 * directories do not disturb each other.
 */
import { join } from "node:path";

export interface Paths {
  /** Surviving state, `THAW_DATA`, default /var/lib/thaw. */
  readonly data: string;
  /** Sockets and other runtime files, `THAW_RUN`, default /run/thaw. */
  readonly run: string;
  /** What can be fetched or made again, `THAW_CACHE`, default /var/cache/thaw. */
  readonly cache: string;
  /** The daemon's HTTP API. */
  readonly apiSocket: string;
  /** The launcher's protocol. */
  readonly launcherSocket: string;
  /** SQLite database. */
  readonly database: string;
  /** Blobs by digest. */
  readonly content: string;
  /** Unpacked layers by diff id. */
  readonly layers: string;
  /** One directory a container: its writable layer and its log. */
  readonly containers: string;
  /** One directory a checkpoint. */
  readonly checkpoints: string;
  /** Memory pages that checkpoints share. */
  readonly packs: string;
  /** One directory a volume. */
  readonly volumes: string;
  /** Half-made things; emptied at the daemon's start. */
  readonly tmp: string;
}

/** The directories of this invocation, from the environment or the defaults. */
export function thawPaths(env: Record<string, string | undefined> = process.env): Paths {
  const data = env.THAW_DATA || "/var/lib/thaw";
  const run = env.THAW_RUN || "/run/thaw";
  return {
    data,
    run,
    cache: env.THAW_CACHE || "/var/cache/thaw",
    apiSocket: join(run, "thaw.sock"),
    launcherSocket: join(run, "launcher.sock"),
    database: join(data, "thaw.db"),
    content: join(data, "content"),
    layers: join(data, "layers"),
    containers: join(data, "containers"),
    checkpoints: join(data, "checkpoints"),
    packs: join(data, "packs"),
    volumes: join(data, "volumes"),
    tmp: join(data, "tmp"),
  };
}
