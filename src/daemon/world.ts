/**
 * The managers of one daemon and how they know each other. `open` brings them to agree with the kernel, except for
 * the services, which may need what is made after it (`reconcileServices`).
 */
import type { Database } from "bun:sqlite";
import { Archives } from "../checkpoint/archive/index.ts";
import { excessOf } from "../checkpoint/archive/rights.ts";
import { CheckpointStore, Checkpoints, type CriuInstallation, locateCriu, placeKdat } from "../checkpoint/index.ts";
import { openDatabase } from "../common/database.ts";
import { ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { Containers } from "../container/index.ts";
import type { ContainerSpec } from "../container/types.ts";
import { ContentStore } from "../content/index.ts";
import { LauncherGateway } from "../gateway/index.ts";
import { ImageStore, LayerStore } from "../image/index.ts";
import { ensureLauncher, type LauncherClient, Listeners } from "../launcher/index.ts";
import { initLayerDir } from "../rootfs/index.ts";
import { Cgroups, detectCgroups, hookDirectory } from "../sandbox/index.ts";
import { dumpWhen } from "../service/dump-when.ts";
import { Services } from "../service/manager.ts";
import { DaemonControl, type Life } from "./control.ts";
import { DaemonImages } from "./images.ts";
import type { Log } from "./log.ts";
import { memoryBudget } from "./memory-budget.ts";
import type { Parts } from "./parts.ts";
import { Reseeding } from "./reseeding.ts";
import { ServiceImages } from "./service-images.ts";
import { ContainerStepRunner } from "./step-runner.ts";
import { checkpointBinds, type RootUser, recordedLowers, usersOf } from "./uses.ts";

export class World {
  readonly parts: Parts;
  readonly #database: Database;
  readonly #launcher: LauncherClient;
  readonly #containers: Containers;
  readonly #checkpoints: Checkpoints;
  readonly #services: Services;
  readonly #log: Log;

  private constructor(base: Base, life: Life) {
    const { paths, log, database, launcher, cgroups, images, checkpointStore } = base;
    const containers = new Containers({
      database,
      launcher,
      cgroups,
      paths,
      pool: {},
      log: (line) => log.info(line),
      volumeUsers: () => checkpointStore.list().map(({ name, container }) => checkpointBinds(name, container)),
    });
    const runner = new ContainerStepRunner({ launcher, cgroups, paths });
    const daemonImages = new DaemonImages({ store: images, runner, paths });
    const reseeding = new Reseeding(paths.data);
    const withVolumes = (spec: ContainerSpec) => containers.volumes.with(spec, (ready) => ready);
    const serviceImages = new ServiceImages(daemonImages, reseeding, withVolumes);
    const checkpoints = new Checkpoints({
      client: launcher,
      store: checkpointStore,
      containers,
      cgroups,
      runDir: paths.run,
      criu: () => workingCriu(paths),
      engine: process.env.THAW_RESTORE_ENGINE,
      usedBy: (name) => services.userOf(name),
      log: (line) => log.info(line),
    });
    const gateway = new LauncherGateway(launcher, paths.run);
    const services: Services = new Services({
      database,
      client: launcher,
      cgroups,
      containers,
      checkpoints,
      gateway,
      resolve: (spec) => serviceImages.resolve(spec),
      memoryBudget: memoryBudget(process.env.THAW_MEMORY_BUDGET),
      log: (line) => log.info(line),
    });
    base.users = () => [
      ...containers
        .list({ all: true })
        .map(({ spec }) => ({ words: `the container ${spec.name}`, lowers: spec.lowers })),
      ...checkpointStore
        .list()
        .map(({ name, container }) => ({ words: `the checkpoint ${name}`, lowers: recordedLowers(container) })),
      ...serviceImages.users(new Set(services.list().map(({ id }) => id))),
    ];
    const hooks = () => hookDirectory(paths.data);
    const excess = async (images: string, spec: ContainerSpec) => excessOf(images, await containers.confinement(spec));
    const { templates } = checkpoints;
    const control = new DaemonControl({ paths, containers, services, templates, launcher, cgroups, life });
    this.parts = {
      containers,
      volumes: containers.volumes,
      checkpoints,
      archives: new Archives({
        ...{ store: checkpointStore, roots: daemonImages, layers: paths.layers, hooks, excess },
        facts: () => checkpoints.facts(),
      }),
      dumpWhen: (request, signal) => dumpWhen({ containers, checkpoints, gateway }, request, signal),
      services,
      images: daemonImages,
      control,
      reseeding,
      removals: new Listeners(),
    };
    this.#database = database;
    this.#launcher = launcher;
    this.#containers = containers;
    this.#checkpoints = checkpoints;
    this.#services = services;
    this.#log = log;
  }

  /** @throws ThawError DEPENDENCY_MISSING, LAUNCHER_FAILED, UNSUPPORTED_MACHINE, NO_SPACE... */
  static async open(paths: Paths, log: Log, life: Life): Promise<World> {
    const base = await openBase(paths, log);
    const world = new World(base, life);
    await world.#containers.pool?.reset();
    await world.#containers.reconcile();
    await base.images.sweep();
    for (const finding of await world.#checkpoints.recover()) log.info(finding);
    let last = Promise.resolve();
    base.launcher.onReconnect(() => {
      // One after another: what the one before still does is of an older launcher.
      last = last.then(() => world.#launcherCameBack());
    });
    return world;
  }

  /** Opens and arms the services' sockets again where the launcher does not have them. */
  async reconcileServices(): Promise<void> {
    await this.#services.reconcile();
  }

  /** Lets go of everything; containers and sockets stay with the launcher. */
  async close(): Promise<void> {
    await this.#containers.close();
    this.#launcher.close();
    this.#database.close();
  }

  async #launcherCameBack(): Promise<void> {
    this.#log.info("the launcher was restarted");
    try {
      await this.#containers.reconcile();
      await this.#services.reconcile();
    } catch (error) {
      this.#log.error("after the launcher's restart", error);
    }
  }
}

/** What the managers stand on. */
interface Base {
  readonly paths: Paths;
  readonly log: Log;
  readonly database: Database;
  readonly launcher: LauncherClient;
  readonly cgroups: Cgroups;
  readonly images: ImageStore;
  readonly checkpointStore: CheckpointStore;
  /** Everything with a root; known once the managers are made. */
  users: () => RootUser[];
}

async function openBase(paths: Paths, log: Log): Promise<Base> {
  const database = openDatabase(paths.database);
  const content = new ContentStore(paths);
  const layers = new LayerStore(content, paths);
  const images = new ImageStore(database, content, layers, (id) => {
    const image = images.find(id);
    return image === undefined ? [] : usersOf(image, paths.layers, (layer) => layers.path(layer), base.users());
  });
  const cgroups = new Cgroups(detectCgroups(), paths.run);
  await cgroups.prepare();
  // Before the first container starts: its root has to have CRIU's feature cache in it.
  await workingCriu(paths).catch((error: unknown) => log.info(`no checkpoints yet: ${String(error)}`));
  const launcher = await ensureLauncher(paths);
  const checkpointStore = new CheckpointStore(paths, database);
  const base: Base = { paths, log, database, launcher, cgroups, images, checkpointStore, users: () => [] };
  return base;
}

/** The machine's CRIU, its feature cache put below every container's root. @throws ThawError DEPENDENCY_MISSING. */
async function workingCriu(paths: Paths): Promise<CriuInstallation> {
  const criu = await locateCriu(paths);
  if (criu === undefined) {
    throw new ThawError("DEPENDENCY_MISSING", "no CRIU that works on this kernel is here", {
      hint: "Run `thaw setup` as root.",
    });
  }
  await placeKdat(criu.kdat, await initLayerDir(paths));
  return criu;
}
