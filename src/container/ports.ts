/**
 * Published ports of containers without a network, by which they can be reached all the same; those of containers in
 * networks are rules (src/network). The launcher listens before the container starts, so that a port in use is
 * known before anything runs; connections queue until the container is there, and are routed into its network then.
 */

import { ListenerState } from "../launcher/generated/protocol.ts";
import { type LauncherClient, type LauncherListing, WAKES_NOTHING } from "../launcher/index.ts";
import type { Container, PortBinding } from "./types.ts";

const BACKLOG = 4096;
/**
 * Up to this age of a container a connection is held for its program, which may still be starting up (a JVM takes many
 * seconds); the launcher holds one to an older container for a second.
 */
const READY_MS = 60_000;
const PREFIX = "port-";

/** Listeners of published ports. */
export class PublishedPorts {
  readonly #launcher: LauncherClient;

  constructor(launcher: LauncherClient) {
    this.#launcher = launcher;
  }

  /** Listens on all ports of a container, or on none. @throws ThawError PORT_IN_USE, INVALID. */
  async listen(container: Container): Promise<void> {
    try {
      for (const [id, port] of listenersOf(container)) await this.#listen(id, port);
    } catch (error) {
      await this.withdraw(container);
      throw error;
    }
  }

  async #listen(id: string, { hostAddress, hostPort }: PortBinding): Promise<void> {
    const address = hostAddress || "0.0.0.0";
    await this.#launcher.request({ kind: "listen", id, address, port: hostPort, path: "", backlog: BACKLOG });
  }

  /** Lets connections through to a running container. */
  async route(container: Container): Promise<void> {
    for (const [id, { containerPort }] of listenersOf(container)) {
      await this.#launcher.request({
        kind: "route",
        id,
        target: container.id,
        port: containerPort,
        readyMs: READY_MS,
        stdio: 0,
        log: "",
        ...WAKES_NOTHING,
        refusal: new Uint8Array(0),
      });
    }
  }

  /** Closes the ports of a container. Missing ones, or a missing launcher, are fine. */
  async withdraw(container: Container): Promise<void> {
    const ids = listenersOf(container).map(([id]) => id);
    await Promise.all(ids.map((id) => this.#launcher.request({ kind: "unlisten", id }).catch(() => {})));
  }

  /** Makes the launcher's listeners agree with the containers that run. */
  async reconcile(running: readonly Container[], { listeners }: LauncherListing): Promise<void> {
    const wanted = new Set(running.flatMap((container) => listenersOf(container).map(([id]) => id)));
    for (const { id } of listeners) {
      if (id.startsWith(PREFIX) && !wanted.has(id)) await this.#launcher.request({ kind: "unlisten", id });
    }
    const routed = new Set(listeners.filter(({ state }) => state !== ListenerState.unrouted).map(({ id }) => id));
    for (const container of running) {
      if (listenersOf(container).every(([id]) => routed.has(id))) continue;
      await this.listen(container);
      await this.route(container);
    }
  }
}

function listenersOf({ id, spec }: Container): [id: string, port: PortBinding][] {
  if (spec.network.mode !== "none") return [];
  return spec.ports.map((port, index) => [`${PREFIX}${id.slice(0, 40)}-${index}`, port]);
}
