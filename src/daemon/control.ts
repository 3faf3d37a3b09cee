/** What the daemon says of itself, and how it ends together with the launcher. */
import { rmSync } from "node:fs";
import type { DaemonStatus } from "../api/thaw.ts";
import type { Templates } from "../checkpoint/index.ts";
import { ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { VERSION } from "../common/version.ts";
import type { ContainerManager } from "../container/types.ts";
import { type LauncherClient, untilNobodyAccepts } from "../launcher/index.ts";
import type { Cgroups } from "../sandbox/index.ts";
import type { ServiceManager } from "../service/types.ts";
import type { Control } from "./parts.ts";

const SIGKILL = 9;
const LAUNCHER_LIMIT_MS = 5000;

/** The daemon's own life. */
export interface Life {
  readonly startedAt: Date;
  /** Ends it. */
  readonly end: () => void;
}

export interface ControlParts {
  readonly paths: Paths;
  readonly containers: ContainerManager;
  readonly services: ServiceManager;
  readonly templates: Pick<Templates, "reconcile">;
  readonly launcher: LauncherClient;
  readonly cgroups: Cgroups;
  readonly life: Life;
}

export class DaemonControl implements Control {
  readonly #parts: ControlParts;
  #stopping: Promise<() => void> | undefined;

  constructor(parts: ControlParts) {
    this.#parts = parts;
  }

  status(): DaemonStatus {
    const { paths, containers, services, life } = this.#parts;
    return {
      version: VERSION,
      pid: process.pid,
      startedAt: life.startedAt.toISOString(),
      containersRunning: containers.list().length,
      services: services.list().length,
      dataDirectory: paths.data,
      runDirectory: paths.run,
    };
  }

  async stop(force: boolean): Promise<() => void> {
    if (!force) this.#refuseInUse();
    this.#stopping ??= this.#stop(force).finally(() => {
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  async #stop(force: boolean): Promise<() => void> {
    const { containers, templates, launcher, cgroups, life, paths } = this.#parts;
    // One whose checkpoint could not be removed with its service waits for nobody.
    if (!force) await templates.reconcile(new Set());
    // Those of services end with the launcher.
    const own = containers.list().filter(({ service }) => service === undefined);
    await Promise.all(own.map(({ id }) => this.#kill(id)));
    await containers.networks.takeDown();
    await launcher.shutDown(force);
    // Its socket goes as its last act, when nothing is left of any sandbox; one that was killed leaves it.
    if (await untilNobodyAccepts(paths.launcherSocket, LAUNCHER_LIMIT_MS))
      rmSync(paths.launcherSocket, { force: true });
    await cgroups.removeParents();
    return life.end;
  }

  async #kill(id: string): Promise<void> {
    const { containers } = this.#parts;
    const ended = containers.wait(id);
    // One that ends by itself at this moment is as good as killed.
    await containers.signal(id, SIGKILL).catch(() => undefined);
    await ended;
  }

  #refuseInUse(): void {
    const { containersRunning, services } = this.status();
    if (containersRunning + services === 0) return;
    throw new ThawError(
      "WRONG_STATE",
      `${containersRunning} containers run and ${services} services wait for requests`,
      {
        hint: "Stop them (thaw stop, thaw down), or add --force: containers are killed, services come back with the next daemon.",
      },
    );
  }
}
