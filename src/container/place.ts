/** Where the files of a container are: `<containers>/<id>/{upper,work,log}`. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";

export interface ContainerPlace {
  readonly id: string;
  readonly directory: string;
  /** The writable layer. */
  readonly upper: string;
  /** Overlayfs's own, beside the upper. */
  readonly work: string;
  /** The records of its output. */
  readonly log: string;
}

/** The place of container `id` under the directory of all containers. */
export function containerPlace(containers: string, id: string): ContainerPlace {
  const directory = join(containers, id);
  return { id, directory, upper: join(directory, "upper"), work: join(directory, "work"), log: join(directory, "log") };
}

/** A new container's id: 64 random hex digits. */
export function newContainerId(): string {
  return randomBytes(32).toString("hex");
}

/** Whether something is called as containers are: what has other ids belongs to others. */
export function isContainerId(id: string): boolean {
  return /^[0-9a-f]{64}$/.test(id);
}
