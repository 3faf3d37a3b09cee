/**
 * What runs a RUN step. Builds do not know how containers are made; whoever composes the daemon hands in the
 * container runner.
 */

/** One RUN step. */
export interface RunStep {
  /**
   * The image's layers, top first. thaw's init layer (empty mount points) is not among them: the runner puts it
   * below, as for any container.
   */
  readonly lowers: string[];
  /** The overlay's upper directory: what the step writes must be here, and nothing mounted on it, when `run` ends. */
  readonly upper: string;
  /** The overlay's work directory, empty, on the same file system. */
  readonly work: string;
  readonly argv: string[];
  /** `NAME=value` each. */
  readonly env: string[];
  /** Absolute; made by an earlier WORKDIR. */
  readonly cwd: string;
  /** `UID:GID`, numbers. */
  readonly user: string;
  readonly signal?: AbortSignal;
  onOutput(chunk: Uint8Array): void;
}

/**
 * Runs a step in a container whose root is the overlay of lowers, upper and work, mounted with
 * `redirect_dir=off,metacopy=off`, on the host's network and with its /etc/resolv.conf bound in.
 */
export interface StepRunner {
  run(step: RunStep): Promise<{ exitCode: number }>;
}
