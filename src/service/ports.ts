/**
 * What a service needs from the folders above it: sockets that outlive the daemon, and the image's facts. The
 * gateway and the composition root implement these, so that services know neither.
 */
import type { ContainerSpec } from "../container/types.ts";
import type { Op } from "../launcher/generated/protocol.ts";
import type { ListenerReport } from "./state.ts";
import type { ServiceSpec, WakePhases } from "./types.ts";

export type ServicePort = ServiceSpec["ports"][number];

/** How the launcher wakes a service when a connection arrives. */
export interface WakeRoute {
  /** Id of the container that the plans make. */
  readonly target: string;
  /** File that takes the container's output. */
  readonly log: string;
  readonly idleMs: number;
  /** How long the wake plan may run before the fallback gets its turn, ms; 0: `readyMs`. */
  readonly wakeMs: number;
  readonly readyMs: number;
  /** 1: `wake` runs while the service sleeps, up to where its process holds. */
  readonly ahead: number;
  readonly wake: readonly Op[];
  /** Tried when `wake` failed, and the next when this did; empty: passed over. */
  readonly second: readonly Op[];
  readonly fallback: readonly Op[];
  readonly cleanup: readonly Op[];
}

/** What the sockets of one service are doing. */
export interface SocketStatus {
  /** The most awake of its sockets. */
  readonly report: ListenerReport;
  /** Wake-ups since the launcher knows the sockets. */
  readonly wakes: number;
  readonly connections: number;
  readonly target: string;
  /** Sockets the launcher holds. */
  readonly sockets: number;
}

export type GatewayEvent =
  | { readonly kind: "listener"; readonly service: string; readonly report: ListenerReport }
  /** A process was made ahead and waits for a connection, or could not be. */
  | { readonly kind: "held"; readonly service: string; readonly ok: boolean; readonly detail: string }
  | { readonly kind: "woke"; readonly service: string; readonly wake: WakePhases };

/** A private way into one container's network, for readiness and warm-up requests. */
export interface Probe {
  /** Resolves when the service has accepted a connection. @throws ThawError NOT_READY. */
  connected(signal: AbortSignal): Promise<void>;
  /** Requests a path; resolves to the status when the answer is complete. @throws ThawError NOT_READY. */
  get(path: string, signal: AbortSignal): Promise<number>;
  /** Closes every connection through it. */
  close(): Promise<void>;
}

export interface ServiceGateway {
  /** Listens at all ports or at none; connections queue. Equal ports of the same service are kept. @throws ThawError PORT_IN_USE. */
  listen(service: string, ports: readonly ServicePort[]): Promise<void>;
  /** Says what a connection at any of the ports wakes. */
  arm(service: string, ports: readonly ServicePort[], route: WakeRoute): Promise<void>;
  /** Lets connections queue; what is awake and its connections are left alone. */
  disarm(service: string, ports: readonly ServicePort[]): Promise<void>;
  /** Stops listening at those ports and lets go of their connections. */
  close(service: string, ports: readonly ServicePort[]): Promise<void>;
  /** Closes the sockets of services that are not among these, and left-over probes. */
  closeOthers(services: ReadonlySet<string>): Promise<void>;
  /** Resolves when asleep: at once with `force`, else when no connection is open. */
  sleep(service: string, ports: readonly ServicePort[], force: boolean): Promise<void>;
  /** Status by service; services without a socket are not in it. */
  status(): Promise<Map<string, SocketStatus>>;
  probe(container: string, port: number, readyMs: number): Promise<Probe>;
  onEvent(listener: (event: GatewayEvent) => void): () => void;
}

/** A service's image, found and read. */
export interface ResolvedService {
  /** Changes when the image's content does. */
  readonly imageId: string;
  /** The container that one instance is: no ports published, no network but its own, with an init. */
  readonly container: ContainerSpec;
}

/** @throws ThawError IMAGE_NOT_FOUND, INVALID. */
export type ResolveService = (spec: ServiceSpec) => Promise<ResolvedService>;
