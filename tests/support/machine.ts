/**
 * All of thaw but the daemon, in directories of its own: a launcher, containers, checkpoints, services. `close` ends
 * it and says what was left behind.
 */
import type { Database } from "bun:sqlite";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CheckpointStore,
  Checkpoints,
  type CompileHook,
  type CriuInstallation,
  dumpCompiler,
  installCriu,
  placeKdat,
} from "../../src/checkpoint/index.ts";
import { openDatabase } from "../../src/common/database.ts";
import { type Paths, thawPaths } from "../../src/common/paths.ts";
import { Containers } from "../../src/container/index.ts";
import type { ContainerSpec } from "../../src/container/types.ts";
import { LauncherGateway } from "../../src/gateway/index.ts";
import { ensureLauncher, type LauncherClient, WAKES_NOTHING } from "../../src/launcher/index.ts";
import { directoryRootfs } from "../../src/rootfs/index.ts";
import { Cgroups, detectCgroups } from "../../src/sandbox/index.ts";
import { Services } from "../../src/service/index.ts";
import type { ServiceSpec } from "../../src/service/types.ts";
import { makePerlRoot, SERVER_ARGV, SERVER_PORT } from "./perl-root.ts";

/** What a daemon would be made of; made anew by `startDaemon`. */
export interface Daemon {
  readonly client: LauncherClient;
  readonly database: Database;
  readonly containers: Containers;
  readonly store: CheckpointStore;
  readonly checkpoints: Checkpoints;
  readonly gateway: LauncherGateway;
  readonly services: Services;
}

/** Why the tests that need CRIU cannot run here, or the CRIU. */
export async function findCriu(): Promise<CriuInstallation | string> {
  if (process.getuid?.() !== 0) return "needs root";
  try {
    return await installCriu(thawPaths(), () => {});
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** A port of 127.0.0.1 that nobody uses now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

export interface MachineOptions {
  readonly engine?: string;
  readonly fill?: (root: string) => Promise<void>;
}

export class Machine {
  readonly root: string;
  readonly paths: Paths;
  readonly logged: string[] = [];
  /** What sleeping services may take, bytes; for daemons that are started afterwards. */
  memoryBudget = 2 ** 32;
  /** What looks at dumps; thaw's own engine when not set. */
  compile: CompileHook | undefined;
  readonly #directory: string;
  readonly #criu: CriuInstallation;
  readonly #engine: string | undefined;
  readonly #cgroups: Cgroups;
  get cgroups(): Cgroups {
    return this.#cgroups;
  }

  #lowers: readonly string[] = [];
  #daemon: Daemon | undefined;

  private constructor(directory: string, criu: CriuInstallation, engine: string | undefined) {
    this.#directory = directory;
    this.#criu = criu;
    this.#engine = engine;
    this.root = join(directory, "root");
    this.paths = thawPaths({ THAW_DATA: join(directory, "data"), THAW_RUN: join(directory, "run") });
    this.#cgroups = new Cgroups(detectCgroups(), this.paths.run);
  }

  /** `engine`: the only one to restore with; `fill` puts more into the root. */
  static async start(criu: CriuInstallation, { engine, fill }: MachineOptions = {}): Promise<Machine> {
    const machine = new Machine(await mkdtemp(join(tmpdir(), "thaw-test-")), criu, engine);
    await machine.#begin(fill ?? (async () => {}));
    return machine;
  }

  async #begin(fill: (root: string) => Promise<void>): Promise<void> {
    await makePerlRoot(this.root);
    await fill(this.root);
    await mkdir(this.paths.run, { recursive: true });
    await this.#cgroups.prepare();
    this.#lowers = (await directoryRootfs(this.root, this.paths)).lowers;
    await placeKdat(this.#criu.kdat, this.#lowers.at(-1) ?? "");
    await this.startDaemon();
  }

  get daemon(): Daemon {
    if (!this.#daemon) throw new Error("the daemon is not running");
    return this.#daemon;
  }

  /** What the next daemon finds is all that this one leaves in the database and the launcher. */
  async startDaemon(): Promise<void> {
    this.#daemon = await this.#makeDaemon();
  }

  async stopDaemon(): Promise<void> {
    const { client, containers, database, services } = this.daemon;
    await services.settled();
    await containers.close();
    client.close();
    database.close();
    this.#daemon = undefined;
  }

  /** The host's pid of the launcher itself, not of its keeper. */
  async launcherPid(): Promise<number> {
    // Sandboxes' inits are copies of it, and where pids have begun anew they may come first: the name tells them apart.
    for (const { pid } of await this.#processes()) {
      if ((await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")) === "thaw-launcher\n") return pid;
    }
    throw new Error("no launcher runs");
  }

  /** A container of the Perl server. */
  container(name: string, changes: Partial<ContainerSpec> = {}): ContainerSpec {
    return {
      name,
      image: undefined,
      rootfs: this.root,
      lowers: this.#lowers,
      argv: SERVER_ARGV,
      env: [],
      cwd: "/",
      user: "",
      hostname: "perl",
      tty: false,
      openStdin: false,
      network: { mode: "none", attachments: [] },
      binds: [],
      ports: [],
      limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
      labels: {},
      autoRemove: false,
      init: true,
      ...changes,
    };
  }

  /** A service of it; its image's content is whatever `env` says. */
  service(name: string, hostPort: number, changes: Partial<ServiceSpec> = {}): ServiceSpec {
    return {
      project: "test",
      name,
      image: "perl",
      argv: undefined,
      env: [],
      ports: [{ hostAddress: "127.0.0.1", hostPort, containerPort: SERVER_PORT }],
      idleMs: 0,
      readyTimeoutMs: 10_000,
      checkpoint: { when: "ready" },
      warmup: [],
      limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
      ...changes,
    };
  }

  /** GETs a path of a running container's server through a socket of the launcher's. */
  async get(container: string, path: string): Promise<string> {
    const { client, containers } = this.daemon;
    const [id, unix] = ["test.get", join(this.paths.run, "get.sock")];
    const target = containers.get(container).id;
    const route = { ...WAKES_NOTHING, stdio: 0, log: "", refusal: new Uint8Array(0) };
    await client.request({ kind: "listen", id, address: "", port: 0, path: unix, backlog: 8 });
    try {
      await client.request({
        kind: "route",
        id,
        target,
        port: SERVER_PORT,
        readyMs: 5000,
        ...route,
      });
      const response = await fetch(`http://localhost${path}`, { unix, headers: { connection: "close" } });
      return await response.text();
    } finally {
      await client.request({ kind: "unlisten", id });
    }
  }

  /** Ends everything. Resolves with what is left of it that should not be. */
  async close(): Promise<string[]> {
    if (this.#daemon) {
      await this.daemon.client.shutDown(true).catch(() => {});
      await this.stopDaemon();
    }
    await untilGone(() => this.#leftovers());
    const left = await this.#leftovers();
    await this.#cgroups.removeParents();
    await rm(this.#directory, { recursive: true, force: true });
    return left;
  }

  async #leftovers(): Promise<string[]> {
    const names = [...(await this.#cgroups.existing())].filter((name) => !name.startsWith("spare-"));
    const leaves = names.map((leaf) => `cgroup ${leaf}`);
    const mounts = (await readFile("/proc/self/mountinfo", "utf8"))
      .split("\n")
      .filter((line) => line.includes(this.#directory));
    const processes = (await this.#processes()).map(({ pid, command }) => `process ${pid} ${command}`);
    return [...leaves, ...mounts, ...processes];
  }

  /** The launcher's processes. */
  async #processes(): Promise<{ pid: number; command: string }[]> {
    const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
    const read = async (pid: number) => ({
      pid,
      command: await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""),
    });
    const all = await Promise.all(pids.map(read));
    return all
      .filter(({ command }) => command.includes(this.paths.run))
      .map(({ pid, command }) => ({ pid, command: command.replaceAll("\0", " ") }));
  }

  async #makeDaemon(): Promise<Daemon> {
    const { paths } = this;
    const client = await ensureLauncher(paths);
    const database = openDatabase(paths.database);
    const cgroups = this.#cgroups;
    const containers = new Containers({ database, launcher: client, cgroups, paths });
    const compile = dumpCompiler();
    const compileOr: CompileHook = async (...dump) => (this.compile ?? compile)(...dump);
    const store = new CheckpointStore(paths, database, compileOr);
    const usedBy = (name: string) => services.userOf(name);
    const criu = async () => this.#criu;
    const checkpoints = new Checkpoints({
      client,
      store,
      containers,
      cgroups,
      runDir: paths.run,
      criu,
      usedBy,
      engine: this.#engine,
      restoreLimitMs: 800,
    });
    const gateway = new LauncherGateway(client, paths.run);
    const resolve = async (spec: ServiceSpec) => {
      const { argv, env, limits } = spec;
      const changes = { env, limits, ...(argv === undefined ? {} : { argv }) };
      return { imageId: `sha256:${env.length}`, container: this.container(spec.name, changes) };
    };
    const log = (line: string) => this.logged.push(line);
    const services = new Services({
      database,
      client,
      cgroups,
      containers,
      checkpoints,
      gateway,
      resolve,
      log,
      memoryBudget: this.memoryBudget,
    });
    await containers.reconcile();
    await checkpoints.recover();
    await services.reconcile();
    return { client, database, containers, store, checkpoints, gateway, services };
  }
}

async function untilGone(look: () => Promise<string[]>): Promise<void> {
  for (let tries = 0; tries < 100 && (await look()).length > 0; tries++) await Bun.sleep(20);
}
