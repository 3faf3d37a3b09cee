/**
 * On-demand services: a container that sleeps as a checkpoint and is woken by a connection.
 */
import type { ContainerSpec, Limits } from "../container/types.ts";
import type { Tier, TierWish } from "./tiers.ts";

/** Where a service is. `preparing`: it is being started once to make its checkpoint. */
export type ServiceState = "preparing" | "asleep" | "waking" | "awake" | "stopping" | "failed" | "removed";

/** When the checkpoint is made. */
export type CheckpointWhen =
  | { readonly when: "ready" }
  | { readonly when: "healthy"; readonly path: string }
  | { readonly when: "log"; readonly pattern: string }
  /** Never checkpointed: each wake-up is a cold start. */
  | { readonly when: "never" };

export interface ServiceSpec {
  readonly project: string;
  readonly name: string;
  readonly image: string;
  readonly argv: readonly string[] | undefined;
  readonly env: readonly string[];
  readonly ports: readonly { hostAddress: string; hostPort: number; containerPort: number }[];
  /** Milliseconds without a connection before it sleeps; 0: never. */
  readonly idleMs: number;
  /** Milliseconds a start may take until it accepts. */
  readonly readyTimeoutMs: number;
  readonly checkpoint: CheckpointWhen;
  /** HTTP paths requested before the dump so that their code is loaded. */
  readonly warmup: readonly string[];
  readonly limits: Limits;
  /** Where its memory is to be while it sleeps; missing: "auto". */
  readonly tier?: TierWish | undefined;
  /** Whether runtimes renew their random state after a wake-up; missing: the known ones that its image has. */
  readonly reseed?: boolean | undefined;
  /** What its containers are beyond the image; missing: nothing. */
  readonly container?: ServiceContainer | undefined;
}

/** Fields of a container that a service may choose. */
export type ServiceContainer = Partial<
  Pick<ContainerSpec, "user" | "cwd" | "hostname" | "init" | "binds" | "isolation" | "security">
>;

/** The phases of one wake-up, ms since the connection arrived. */
export interface WakePhases {
  /** "second": CRIU served after the compiled engine had failed; "fallback": a cold start did. */
  readonly result: "restored" | "second" | "fallback" | "failed";
  /** Where its memory was. */
  readonly tier: Tier | "cold";
  /** Connections that were waiting when it was over. */
  readonly waiting: number;
  readonly phases: readonly { readonly name: string; readonly ms: number }[];
  readonly detail: string;
}

export interface Service {
  /** `<project>-<name>` unless that is one word twice. */
  readonly id: string;
  readonly spec: ServiceSpec;
  readonly state: ServiceState;
  readonly wakes: number;
  /** Wake-ups by engine: "criu", "cold". */
  readonly engine: string;
  /** Where its memory is while it sleeps. */
  readonly tier: Tier | "cold";
  /** A process of it is made and waits for a connection. */
  readonly waiting: boolean;
  /** Wake-ups in which the first plan failed and another served, or none. */
  readonly fallbacks: number;
  readonly reasons: readonly string[];
  readonly lastWake: WakePhases | undefined;
  readonly error: string;
  /** Bytes of memory held now (0 asleep on disk). */
  readonly memoryBytes: number;
}

export interface ServiceManager {
  /** Makes or replaces a service: cold start, checkpoint, asleep behind its ports. Resolves when asleep. */
  up(spec: ServiceSpec, progress: (line: string) => void): Promise<Service>;
  /** Removes the services of a project. */
  down(project: string): Promise<number>;
  get(id: string): Service;
  list(): Service[];
  /** Puts an awake service to sleep as soon as no connection is open. Resolves when asleep. */
  sleep(id: string): Promise<void>;
  onChange(listener: (service: Service) => void): () => void;
  reconcile(): Promise<void>;
}
