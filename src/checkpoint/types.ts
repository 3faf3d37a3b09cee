/**
 * Checkpoints as the API sees them. The two restore engines stand behind `RestoreEngine`: CRIU, and later
 * thaw's own compiled plans; both give the launcher a plan and nothing else.
 */
import type { Container } from "../container/types.ts";
import type { Op } from "../launcher/generated/protocol.ts";
import type { Connections } from "./engine/criu-plan.ts";
import type { MachineFacts } from "./facts.ts";
import type { AskAgain } from "./rehearsal.ts";

/** A checkpoint as listed. */
export interface CheckpointInfo {
  readonly id: string;
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Image reference or root directory of the container it was made of. */
  readonly image: string;
  readonly containerName: string;
  /** Bytes of all that was dumped, as if nothing of it was shared, and of the memory pages among them. */
  readonly sizeBytes: number;
  readonly pagesBytes: number;
  /** Bytes of the disk that it takes, and of those the part that other checkpoints need, too. */
  readonly storedBytes: number;
  readonly sharedBytes: number;
  /** What was dumped, counted over all processes; missing where an older thaw made it. */
  readonly processes?: number | undefined;
  readonly threads?: number | undefined;
  readonly vmas?: number | undefined;
  readonly descriptors?: number | undefined;
  /** Bytes that a restored process touches until it has answered; missing where that was not recorded. */
  readonly workingSetBytes?: number | undefined;
  /** What it was made on and needs to find again. */
  readonly machine: MachineFacts;
  /** The engine that will restore it, and why not a faster one. */
  readonly engine: string;
  readonly reasons: readonly string[];
  /** Why it cannot be restored on this machine; empty when it can. */
  readonly incompatibilities: readonly string[];
  /** How long the process was frozen for the dump, ms. */
  readonly frozenMs: number;
}

/** How a checkpoint is made. */
export interface CreateOptions {
  /** The container goes on. Default: it ends. */
  readonly leaveRunning?: boolean | undefined;
  /** What becomes of established TCP connections. Kept are those within the container. Default: closed. */
  readonly connections?: Connections | undefined;
  /** Asks a restored process what it will be asked later, given the id of its container at the launcher. */
  readonly askAgain?: AskAgain | undefined;
}

export interface RestoreRequest {
  readonly containerName?: string | undefined;
  /** "template": a memory template is made when there is none, and cloned. Default: memory is read from disk. */
  readonly tier?: "disk" | "template" | undefined;
}

export interface CheckpointManager {
  /** Dumps a running container. The container ends unless `leaveRunning`. @throws ThawError CHECKPOINT_FAILED, WRONG_STATE, NAME_IN_USE. */
  create(container: string, name: string, options?: CreateOptions): Promise<CheckpointInfo>;
  list(): Promise<CheckpointInfo[]>;
  /** @throws ThawError CHECKPOINT_NOT_FOUND. */
  get(name: string): Promise<CheckpointInfo>;
  /** @throws ThawError IN_USE when a service needs it. */
  remove(name: string): Promise<void>;
  /** A new container with the dumped processes, running. @throws ThawError CHECKPOINT_INCOMPATIBLE, RESTORE_FAILED. */
  restore(name: string, options?: RestoreRequest): Promise<Container>;
}

/** What a launcher needs to bring a checkpoint's processes to life in a fresh sandbox. */
export interface RestorePlan {
  readonly engine: string;
  /** Operations that make the sandbox and restore into it, ending with `adopt`. */
  readonly plan: readonly Op[];
  readonly cleanup: readonly Op[];
}
