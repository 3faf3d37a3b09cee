/**
 * The answers of GET /version and GET /info, in Docker's shapes.
 */

/** The newest Docker Engine API version whose container and image shapes are followed. */
export const API_VERSION = "1.43";
export const MIN_API_VERSION = "1.24";

export interface VersionAnswer {
  readonly Platform: { readonly Name: string };
  readonly Version: string;
  readonly ApiVersion: string;
  readonly MinAPIVersion: string;
  readonly Os: string;
  readonly Arch: string;
  readonly KernelVersion: string;
  readonly Components: readonly { readonly Name: string; readonly Version: string }[];
}

export interface InfoAnswer {
  readonly ID: string;
  readonly Name: string;
  readonly ServerVersion: string;
  readonly Containers: number;
  readonly ContainersRunning: number;
  readonly ContainersPaused: number;
  readonly ContainersStopped: number;
  readonly Images: number;
  readonly Driver: string;
  readonly OSType: string;
  readonly OperatingSystem: string;
  readonly Architecture: string;
  readonly KernelVersion: string;
  readonly NCPU: number;
  /** Bytes. */
  readonly MemTotal: number;
  readonly DockerRootDir: string;
  readonly MemoryLimit: boolean;
  readonly PidsLimit: boolean;
  readonly CPUCfsQuota: boolean;
}
