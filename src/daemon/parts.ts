/**
 * What the API's handlers work with. The composition root (main.ts) fills it with the real managers; tests of the
 * server may fill it with others.
 */
import type { BuildRequest, BuildResult, ImageDetails, ImageRemoval, ImageSummary } from "../api/images.ts";
import type { DaemonStatus } from "../api/thaw.ts";
import type { Archives } from "../checkpoint/archive/index.ts";
import type { CheckpointInfo, CheckpointManager } from "../checkpoint/types.ts";
import type { ContainerManager } from "../container/types.ts";
import type { ContainerVolumes } from "../container/volumes.ts";
import type { Listeners } from "../launcher/index.ts";
import type { DumpRequest } from "../service/dump-when.ts";
import type { ServiceManager } from "../service/types.ts";
import type { Reseeding } from "./reseeding.ts";

/** What a container of an image starts with. */
export interface ResolvedImage {
  /** `sha256:...` */
  readonly id: string;
  /** Lower directories of the root, top first, thaw's init layer last. */
  readonly lowers: readonly string[];
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  /** `NAME=value`. */
  readonly env: readonly string[];
  readonly cwd: string;
  readonly user: string;
  /** What ends it, by name or number, or "". */
  readonly stopSignal: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Images as the API's handlers need them. */
export interface Images {
  list(): ImageSummary[];
  /** @throws ThawError IMAGE_NOT_FOUND. */
  inspect(name: string): ImageDetails;
  /** The id of an image, or "" when it is not here any more. */
  idOf(name: string): string;
  /** @throws ThawError IMAGE_NOT_FOUND, IN_USE. */
  remove(name: string, force: boolean): Promise<ImageRemoval[]>;
  /** @throws ThawError BUILD_FAILED, UNSUPPORTED, PATH_NOT_FOUND, CANCELLED... Then nothing is left of it. */
  build(request: BuildRequest, progress: (line: string) => void, signal: AbortSignal): Promise<BuildResult>;
  /** Writes an image's root file system into a directory. @throws ThawError IMAGE_NOT_FOUND, NO_SPACE... */
  exportRootfs(name: string, directory: string, signal: AbortSignal): Promise<void>;
  /**
   * Calls `use` with an image ready to be run; its layers stay where they are until `use` has resolved.
   * @throws ThawError IMAGE_NOT_FOUND.
   */
  using<T>(name: string, use: (image: ResolvedImage) => Promise<T>): Promise<T>;
  /** Lower directories for a directory of the user's. @throws ThawError PATH_NOT_FOUND. */
  rootfsLowers(directory: string): Promise<readonly string[]>;
}

/** The daemon's control of itself. */
export interface Control {
  status(): DaemonStatus;
  /**
   * Ends the launcher; returns what ends the daemon, to be called when the answer is out.
   * @throws ThawError WRONG_STATE when containers run or services wait, and not `force`.
   */
  stop(force: boolean): Promise<() => void>;
}

export interface Parts {
  readonly containers: ContainerManager;
  readonly checkpoints: CheckpointManager;
  readonly archives: Pick<Archives, "export" | "import">;
  /** Makes a checkpoint when the container has come so far. */
  readonly dumpWhen: (request: DumpRequest, signal: AbortSignal) => Promise<CheckpointInfo>;
  readonly services: ServiceManager;
  readonly volumes: ContainerVolumes;
  readonly images: Images;
  readonly control: Control;
  readonly reseeding: Pick<Reseeding, "of">;
  /** Ids of containers that calls removed. */
  readonly removals: Listeners<string>;
}
