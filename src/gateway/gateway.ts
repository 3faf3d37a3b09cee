/**
 * The sockets of services. They belong to the launcher, which accepts, wakes and proxies by itself; here they are
 * only opened, told what to wake and closed, and the launcher's reports are put into the words of services.
 */
import { ThawError } from "../common/errors.ts";
import {
  type LauncherEvent,
  type ListenerMessage,
  listenerStateNames,
  phaseNames,
  Stdio,
  type WokeMessage,
  wakeResultNames,
} from "../launcher/generated/protocol.ts";
import { type LauncherClient, Listeners } from "../launcher/index.ts";
import type { GatewayEvent, Probe, ServiceGateway, ServicePort, SocketStatus, WakeRoute } from "../service/ports.ts";
import type { ListenerReport } from "../service/state.ts";
import type { WakePhases } from "../service/types.ts";
import { type ListenAddress, listenAddress, overlap } from "./address.ts";
import { listenerId, serviceOf } from "./listener-id.ts";
import { isLeftProbe, openProbe } from "./probe.ts";
import { refusalAnswer } from "./refusal.ts";

/** Connections that the kernel queues for a sleeping service; it bounds this by net.core.somaxconn. */
const BACKLOG = 4096;

/** A service is as awake as the most awake of its sockets. */
const BY_WAKEFULNESS: readonly ListenerReport[] = ["unrouted", "asleep", "stopping", "waking", "awake"];

/** The launcher's listeners as `ServiceGateway`. */
export class LauncherGateway implements ServiceGateway {
  readonly #client: LauncherClient;
  readonly #runDir: string;
  readonly #events = new Listeners<GatewayEvent>();
  /** Who listens where, to tell a user which service has a port. */
  readonly #owners = new Map<string, { readonly service: string; readonly address: ListenAddress }>();

  /** @param runDir existing directory for the sockets of probes. */
  constructor(client: LauncherClient, runDir: string) {
    this.#client = client;
    this.#runDir = runDir;
    client.onEvent((event) => this.#translate(event));
  }

  async listen(service: string, ports: readonly ServicePort[]): Promise<void> {
    const opened: ServicePort[] = [];
    try {
      for (const port of ports) {
        const isNew = await this.#listenOne(service, port);
        if (isNew) opened.push(port);
      }
    } catch (error) {
      await this.close(service, opened);
      throw error;
    }
  }

  async arm(service: string, ports: readonly ServicePort[], route: WakeRoute): Promise<void> {
    const refusal = refusalAnswer(service);
    for (const port of ports) {
      const id = listenerId(service, addressOf(port));
      await this.#client.request({
        kind: "route",
        id,
        port: port.containerPort,
        stdio: Stdio.pipes,
        refusal,
        ...route,
      });
    }
  }

  async disarm(service: string, ports: readonly ServicePort[]): Promise<void> {
    for (const port of ports) await this.#client.request({ kind: "unroute", id: listenerId(service, addressOf(port)) });
  }

  async close(service: string, ports: readonly ServicePort[]): Promise<void> {
    for (const port of ports) {
      const id = listenerId(service, addressOf(port));
      this.#owners.delete(id);
      await this.#client.request({ kind: "unlisten", id });
    }
  }

  async closeOthers(services: ReadonlySet<string>): Promise<void> {
    for (const { id } of (await this.#client.list()).listeners) {
      const service = serviceOf(id);
      const isOurs = service === undefined ? isLeftProbe(id) : !services.has(service);
      if (isOurs) await this.#client.request({ kind: "unlisten", id });
    }
  }

  async sleep(service: string, ports: readonly ServicePort[], force: boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stops = [
      this.#events.add((event) => {
        if (event.kind === "listener" && event.service === service && event.report === "asleep") resolve();
      }),
      this.#client.onReconnect(() => reject(new ThawError("LAUNCHER_FAILED", "the launcher was restarted"))),
    ];
    try {
      for (const port of ports) {
        const id = listenerId(service, addressOf(port));
        await this.#client.request({ kind: "sleep", id, force: force ? 1 : 0 });
      }
      const report = (await this.status()).get(service)?.report ?? "unrouted";
      if (report === "asleep" || report === "unrouted") resolve();
      await promise;
    } finally {
      for (const stop of stops) stop();
    }
  }

  async status(): Promise<Map<string, SocketStatus>> {
    const found = new Map<string, SocketStatus>();
    for (const listener of (await this.#client.list()).listeners) {
      const service = serviceOf(listener.id);
      if (service !== undefined) found.set(service, merge(found.get(service), listener));
    }
    return found;
  }

  probe(container: string, port: number, readyMs: number): Promise<Probe> {
    return openProbe(this.#client, this.#runDir, { container, port, readyMs });
  }

  onEvent(listener: (event: GatewayEvent) => void): () => void {
    return this.#events.add(listener);
  }

  /** Resolves to whether the socket is a new one. */
  async #listenOne(service: string, port: ServicePort): Promise<boolean> {
    const address = addressOf(port);
    const id = listenerId(service, address);
    const owner = [...this.#owners.values()].find(
      (other) => other.service !== service && overlap(other.address, address),
    );
    if (owner) {
      throw new ThawError("PORT_IN_USE", `${address.host}:${address.port} is in use by the service ${owner.service}`, {
        hint: "Choose another port, or remove that service (thaw down).",
      });
    }
    const isNew = !this.#owners.has(id);
    await this.#client.request({
      kind: "listen",
      id,
      address: address.host,
      port: address.port,
      path: "",
      backlog: BACKLOG,
    });
    this.#owners.set(id, { service, address });
    return isNew;
  }

  #translate(event: LauncherEvent): void {
    if (event.kind !== "listener_changed" && event.kind !== "woke" && event.kind !== "held") return;
    const service = serviceOf(event.id);
    if (service === undefined) return;
    if (event.kind === "woke") this.#events.emit({ kind: "woke", service, wake: wakePhases(event) });
    else if (event.kind === "held") {
      this.#events.emit({ kind: "held", service, ok: event.ok === 1, detail: event.detail });
    } else this.#events.emit({ kind: "listener", service, report: reportOf(event.state) });
  }
}

/** A wake-up's report in milliseconds, its phases in the order in which they were reached. */
export function wakePhases(event: WokeMessage): WakePhases {
  const phases = event.phases.map(({ phase, ns }) => ({
    name: phaseNames[phase] ?? `phase ${phase}`,
    ms: Number(ns) / 1e6,
  }));
  const result = wakeResultNames[event.result];
  return {
    result: result === "restored" || result === "fallback" || result === "second" ? result : "failed",
    // The launcher only knows whether the process waited for the connection.
    tier: event.ahead === 1 ? "parked" : "template",
    waiting: event.waiting,
    phases: phases.sort((a, b) => a.ms - b.ms),
    detail: event.detail,
  };
}

function addressOf(port: ServicePort): ListenAddress {
  return listenAddress(port.hostAddress, port.hostPort);
}

function reportOf(state: number): ListenerReport {
  const name = listenerStateNames[state];
  return BY_WAKEFULNESS.find((report) => report === name) ?? "unrouted";
}

function merge(known: SocketStatus | undefined, listener: ListenerMessage): SocketStatus {
  const report = reportOf(listener.state);
  const own = {
    report,
    wakes: Number(listener.wakes),
    connections: listener.connections,
    target: listener.target,
    sockets: 1,
  };
  if (known === undefined) return own;
  const more = BY_WAKEFULNESS.indexOf(report) > BY_WAKEFULNESS.indexOf(known.report) ? own : known;
  return {
    report: more.report,
    wakes: known.wakes + own.wakes,
    connections: known.connections + own.connections,
    target: more.target,
    sockets: known.sockets + 1,
  };
}
