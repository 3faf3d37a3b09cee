/** What the daemon says of itself, and how it ends together with the launcher. */
import { existsSync } from "node:fs";
import type { DaemonStatus } from "../api/thaw.ts";
import { ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { VERSION } from "../common/version.ts";
import type { ContainerManager } from "../container/types.ts";
import type { LauncherClient } from "../launcher/index.ts";
import type { Cgroups } from "../sandbox/index.ts";
import type { ServiceManager } from "../service/types.ts";
import type { Control } from "./parts.ts";

const SIGKILL = 9;
const LAUNCHER_LIMIT_MS = 5000;
const RETRY_MS = 5;

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
  readonly launcher: LauncherClient;
  readonly cgroups: Cgroups;
  readonly life: Life;
}

export class DaemonControl implements Control {
  readonly #parts: ControlParts;

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
    const { containers, launcher, cgroups, life, paths } = this.#parts;
    if (!force) this.#refuseInUse();
    // Those of services end with the launcher.
    const own = containers.list().filter(({ service }) => service === undefined);
    await Promise.all(own.map(({ id }) => this.#kill(id)));
    await containers.networks.takeDown();
    await launcher.request({ kind: "shutdown", force: force ? 1 : 0 });
    launcher.close();
    await untilGone(paths.launcherSocket);
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

/** The launcher removes its socket as its last act, when nothing is left of any sandbox. */
async function untilGone(socket: string): Promise<void> {
  const until = performance.now() + LAUNCHER_LIMIT_MS;
  while (existsSync(socket) && performance.now() < until) await Bun.sleep(RETRY_MS);
}
