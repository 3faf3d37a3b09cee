/**
 * A launcher and a container manager over directories of their own, as a daemon would make them, and what is needed
 * to see that they leave nothing behind.
 */
import type { Database } from "bun:sqlite";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../../src/common/database.ts";
import { type Paths, thawPaths } from "../../src/common/paths.ts";
import { type ContainerSpec, Containers, type LogRecord } from "../../src/container/index.ts";
import { ensureLauncher, type LauncherClient } from "../../src/launcher/index.ts";
import { Cgroups, detectCgroups, type PoolLimits } from "../../src/sandbox/index.ts";
import { makeTinyRoot } from "./root.ts";

/** What a daemon is made of, as far as containers go. */
export interface World {
  readonly paths: Paths;
  readonly root: string;
  readonly cgroups: Cgroups;
  readonly database: Database;
  readonly launcher: LauncherClient;
  readonly containers: Containers;
}

/** Makes directories with a tiny root, starts a launcher, and opens the manager; `prepare` comes before those two. */
export async function openWorld(
  prepare: (paths: Paths) => Promise<void> = async () => {},
  pool?: Partial<PoolLimits>,
): Promise<World> {
  const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  const paths = thawPaths({
    THAW_DATA: join(directory, "data"),
    THAW_RUN: join(directory, "run"),
    THAW_CACHE: join(directory, "cache"),
  });
  const root = join(directory, "root");
  makeTinyRoot(root);
  await prepare(paths);
  return openManager(paths, root, pool);
}

/** A manager over directories that are there, as a daemon that is started again. */
export async function openManager(paths: Paths, root: string, pool?: Partial<PoolLimits>): Promise<World> {
  const launcher = await ensureLauncher(paths);
  const cgroups = new Cgroups(detectCgroups(), paths.run);
  await cgroups.prepare();
  const database = openDatabase(paths.database);
  const containers = new Containers({ database, launcher, cgroups, paths, ...(pool === undefined ? {} : { pool }) });
  await containers.reconcile();
  return { paths, root, cgroups, database, launcher, containers };
}

/** Lets go of everything without ending anything, as a daemon that is killed. */
export function abandon(world: World): void {
  world.launcher.close();
  world.database.close();
}

/** Ends the launcher and removes all directories; `undo` comes between the two. */
export async function closeWorld(world: World, undo: () => Promise<void> = async () => {}): Promise<void> {
  await world.containers.close();
  await world.launcher.shutDown(true).catch(() => {});
  abandon(world);
  await until(() => launcherPids(world.paths).length === 0);
  await world.cgroups.removeParents();
  await undo();
  rmSync(join(world.root, ".."), { recursive: true, force: true });
}

/** A spec with the tiny root and no more than `wanted` says. */
export function specOf(world: World, argv: readonly string[], wanted: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    name: "",
    image: undefined,
    rootfs: world.root,
    lowers: [],
    argv,
    env: [],
    cwd: "",
    user: "",
    hostname: "",
    tty: false,
    openStdin: false,
    network: { mode: "none", attachments: [] },
    binds: [],
    ports: [],
    limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
    labels: {},
    autoRemove: false,
    init: true,
    ...wanted,
  };
}

export interface Ran {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a container to its end, removes it, and gives back its output out of its log. */
export async function runToEnd(
  world: World,
  argv: readonly string[],
  wanted: Partial<ContainerSpec> = {},
): Promise<Ran> {
  const { id } = await world.containers.create(specOf(world, argv, wanted));
  try {
    await world.containers.start(id);
    const { exitCode, oomKilled } = await world.containers.wait(id);
    const records = await Array.fromAsync(world.containers.logs(id, { follow: false }));
    return { exitCode, oomKilled, stdout: textOf(records, "stdout"), stderr: textOf(records, "stderr") };
  } finally {
    await world.containers.remove(id, { force: true });
  }
}

/** The output of one stream. */
export function textOf(records: readonly LogRecord[], stream: LogRecord["stream"]): string {
  return Buffer.concat(records.filter((record) => record.stream === stream).map(({ bytes }) => bytes)).toString();
}

/** Pids of this world's launcher and its keeper. */
export function launcherPids(paths: Paths): number[] {
  return pidsWhere((pid) => {
    // A sandbox's holder is a copy of the launcher; its own name tells them apart.
    const ours = ["thaw-launcher\n", "thaw-keeper\n"].includes(readFileSync(`/proc/${pid}/comm`, "utf8"));
    return ours && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(paths.launcherSocket);
  });
}

/** What containers leave when something is wrong: mounts, cgroup leaves, processes, directories, records. */
export async function leftovers(world: World): Promise<Record<string, unknown>> {
  const mounts = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
  const own = new Set(launcherPids(world.paths));
  const { containers } = await world.launcher.list();
  return {
    mounts: mounts.filter((line) => line.includes(world.paths.data)),
    cgroups: [...(await world.cgroups.existing())].filter((name) => !name.startsWith("spare-")),
    processes: pidsWhere((pid) => !own.has(pid) && own.has(Number(statusOf(pid, "PPid")))),
    directories: readdirSync(world.paths.containers),
    records: containers.map(({ id }) => id),
  };
}

/** Nothing of `leftovers`. */
export const NOTHING_LEFT = { mounts: [], cgroups: [], processes: [], directories: [], records: [] };

/** A field of /proc/PID/status. */
export function statusOf(pid: number, field: string): string {
  const lines = readFileSync(`/proc/${pid}/status`, "utf8").split("\n");
  return lines.find((line) => line.startsWith(`${field}:\t`))?.slice(field.length + 2) ?? "";
}

function pidsWhere(wanted: (pid: number) => boolean): number[] {
  const pids = readdirSync("/proc").map(Number).filter(Number.isInteger);
  return pids.filter((pid) => {
    try {
      return wanted(pid);
    } catch {
      return false; // It ended meanwhile.
    }
  });
}

/** Resolves when `condition` holds; the test's own time limit ends a wait that is in vain. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(5);
}
