/** The daemon that is soaked: it has fresh directories, and what belongs to it is known by them. */
import { cp, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ApiClient } from "../../api/client.ts";
import type { DaemonStatus } from "../../api/thaw.ts";
import { makeContext } from "../../cli/context.ts";
import { stopDaemon } from "../../cli/stop-daemon.ts";
import { ThawError } from "../../common/errors.ts";
import { type Paths, thawPaths } from "../../common/paths.ts";
import { makeRoot } from "../create/root.ts";

/** The processes that serve. */
export type Server = "daemon" | "launcher" | "keeper";
export type Servers = Readonly<Record<Server, number>>;

export interface Home {
  readonly client: ApiClient;
  readonly paths: Paths;
  /** A root with `true` and `sleep` in /bin. */
  readonly root: string;
}

/** Runs `use` with a daemon of its own, which is stopped and removed afterwards, with all that it has. */
export async function withHome<T>(use: (home: Home) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), "thaw-bench-"));
  process.env.THAW_DATA = join(directory, "data");
  process.env.THAW_RUN = join(directory, "run");
  try {
    const root = await makeRoot(join(directory, "root"));
    // It needs the libraries that `true` has brought.
    await cp("/bin/sleep", join(root, "bin", "sleep"), { dereference: true });
    const { client } = makeContext();
    try {
      return await use({ client, paths: thawPaths(), root });
    } finally {
      await stopDaemon(client, true).catch((error: unknown) => console.error(String(error)));
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Process ids of what serves. @throws ThawError INTERNAL when launcher or keeper cannot be found. */
export async function findServers({ client, paths }: Home): Promise<Servers> {
  const { pid: daemon } = await client.json<DaemonStatus>("daemonStatus");
  const ours = await findProcesses(paths);
  const launcher = ours.find(({ argv }) => argv.includes("serve") && argv.includes("--channel"))?.pid;
  const keeper = ours.find(({ argv }) => argv.includes("keep") || !argv.includes("--channel"))?.pid;
  if (launcher !== undefined && keeper !== undefined) return { daemon, launcher, keeper };
  throw new ThawError("INTERNAL", "the processes of the launcher cannot be found");
}

interface Found {
  readonly pid: number;
  readonly argv: readonly string[];
  /** In ticks since the machine's start. */
  readonly startedAt: number;
}

/** The launcher's and the keeper's processes, oldest first: copies of the launcher that are to become containers are younger. */
async function findProcesses({ launcherSocket }: Paths): Promise<Found[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const all = await Promise.all(pids.map((pid) => describe(Number(pid))));
  return all
    .filter((found): found is Found => found?.argv.includes(launcherSocket) === true)
    .sort((a, b) => a.startedAt - b.startedAt);
}

async function describe(pid: number): Promise<Found | undefined> {
  try {
    const argv = (await readFile(`/proc/${pid}/cmdline`, "utf8")).split("\0");
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    const [name = "", rest = ""] = stat.split(/\) /);
    if (!/thaw-(launcher|keeper)/.test(name)) return undefined;
    return { pid, argv, startedAt: Number(rest.split(" ")[19]) };
  } catch {
    return undefined; // It ended meanwhile.
  }
}
