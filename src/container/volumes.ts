/**
 * The volumes of containers: made and filled when a container that wants them is, shared by all that name them, and
 * removed only when nobody does any more.
 */
import type { Database } from "bun:sqlite";
import { asThawError, ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { fillVolume, type Volume, VolumeStore } from "../volume/index.ts";
import { lowersOf } from "./plans.ts";
import type { Bind, ContainerSpec } from "./types.ts";

/** Somebody whose volumes must stay: what to call it, and its binds. */
export interface VolumeUser {
  readonly words: string;
  readonly binds: readonly Bind[];
}

export interface ContainerVolumesParts {
  readonly database: Database;
  readonly paths: Paths;
  /** All containers, and whoever else needs volumes. */
  readonly users: () => readonly VolumeUser[];
}

/** Volumes as containers use them. */
export class ContainerVolumes {
  readonly store: VolumeStore;
  readonly #parts: ContainerVolumesParts;
  /** Names of those that a container in the making needs; a name is in it once for each. */
  readonly #claimed: string[] = [];
  #filling: Promise<void> = Promise.resolve();

  constructor(parts: ContainerVolumesParts) {
    this.store = new VolumeStore(parts.database, parts.paths);
    this.#parts = parts;
  }

  /**
   * Calls `use` with the spec, its volumes made and filled. When `use` fails, volumes without a name are gone again.
   * @throws ThawError INVALID, NO_SPACE, and what `use` throws.
   */
  async with<T>(spec: ContainerSpec, use: (spec: ContainerSpec) => T): Promise<T> {
    if (spec.binds.every(({ volume }) => volume === undefined)) return use(spec);
    const made: string[] = [];
    const claimed: string[] = [];
    try {
      const binds: Bind[] = [];
      for (const bind of spec.binds) {
        const ready = bind.volume === undefined ? bind : await this.#ready(bind, spec, claimed);
        if (bind.volume === "" && ready.volume) made.push(ready.volume);
        binds.push(ready);
      }
      return use({ ...spec, binds });
    } catch (error) {
      for (const name of made) await this.store.remove(name);
      throw asThawError(error);
    } finally {
      for (const name of claimed) this.#claimed.splice(this.#claimed.indexOf(name), 1);
    }
  }

  async #ready(bind: Bind, spec: ContainerSpec, claimed: string[]): Promise<Bind> {
    const { name, path, anonymous } = this.store.ensure(bind.volume, bind.volumeLabels);
    this.#claimed.push(name);
    claimed.push(name);
    // One after another: two containers must not fill the same volume at once.
    const fill = () => (bind.noCopy ? undefined : fillVolume(path, bind.target, lowersOf(spec), this.#parts.paths));
    const filled = this.#filling.then(fill);
    this.#filling = filled.catch(() => undefined);
    await filled;
    return { ...bind, volume: name, source: path, anonymous };
  }

  /** Who uses a volume, in words, or undefined. */
  userOf(name: string): string | undefined {
    if (this.#claimed.includes(name)) return "a container that is being made";
    const user = this.#parts.users().find(({ binds }) => binds.some(({ volume }) => volume === name));
    return user?.words;
  }

  /** @throws ThawError VOLUME_NOT_FOUND, IN_USE. */
  async remove(name: string): Promise<void> {
    const volume = this.store.get(name);
    const user = this.userOf(volume.name);
    if (user === undefined) return this.store.remove(volume.name);
    throw new ThawError("IN_USE", `${user} uses the volume ${volume.name}`, { hint: "Remove that first (thaw rm)." });
  }

  /** Removes the nameless volumes that only these binds have. */
  async removeAnonymous(binds: readonly Bind[]): Promise<void> {
    for (const { volume, anonymous } of binds) {
      if (volume && anonymous && this.userOf(volume) === undefined) await this.store.remove(volume);
    }
  }

  /** Removes what nobody uses; those with a name only with `all`. @returns the volumes that are gone. */
  async prune(all: boolean, passes: (volume: Volume) => boolean): Promise<Volume[]> {
    const unused = this.store
      .list()
      .filter((volume) => (all || volume.anonymous) && passes(volume) && this.userOf(volume.name) === undefined);
    for (const { name } of unused) await this.store.remove(name);
    return unused;
  }
}
