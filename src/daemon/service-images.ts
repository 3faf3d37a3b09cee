/**
 * From a service to the container that one instance of it is, and what that means for its image: it is needed for as
 * long as the service is there, whatever its name means by then.
 */
import { NO_NETWORK } from "../container/index.ts";
import type { ContainerSpec } from "../container/types.ts";
import type { ResolvedService } from "../service/ports.ts";
import { serviceId } from "../service/spec.ts";
import type { ServiceSpec } from "../service/types.ts";
import type { Images } from "./parts.ts";
import type { Reseeding } from "./reseeding.ts";
import { commandLine, environment } from "./spec.ts";
import type { RootUser } from "./uses.ts";

export class ServiceImages {
  readonly #images: Images;
  readonly #reseeding: Reseeding;
  readonly #withVolumes: (spec: ContainerSpec) => Promise<ContainerSpec>;
  readonly #lowers = new Map<string, readonly string[]>();

  /** @param withVolumes  makes the volumes that a container wants. */
  constructor(images: Images, reseeding: Reseeding, withVolumes: (spec: ContainerSpec) => Promise<ContainerSpec>) {
    this.#images = images;
    this.#reseeding = reseeding;
    this.#withVolumes = withVolumes;
  }

  /** @throws ThawError IMAGE_NOT_FOUND, INVALID. */
  resolve(spec: ServiceSpec): Promise<ResolvedService> {
    return this.#images.using(spec.image, async (image) => {
      const container: ContainerSpec = {
        name: "",
        image: spec.image,
        rootfs: undefined,
        lowers: image.lowers,
        argv: spec.argv ?? commandLine(image, undefined, undefined),
        env: environment(image.env, spec.env),
        cwd: image.cwd,
        user: image.user,
        hostname: spec.name.replaceAll(/[_.]/g, "-"),
        tty: false,
        openStdin: false,
        network: NO_NETWORK,
        binds: [],
        ports: [],
        limits: spec.limits,
        labels: image.labels,
        autoRemove: false,
        init: true,
        ...spec.container,
      };
      this.#lowers.set(serviceId(spec), image.lowers);
      return { imageId: image.id, container: await this.#withVolumes(this.#reseeding.of(container, spec.reseed)) };
    });
  }

  /** The roots of those services among `existing` that were resolved. */
  users(existing: ReadonlySet<string>): RootUser[] {
    for (const id of this.#lowers.keys()) if (!existing.has(id)) this.#lowers.delete(id);
    return [...this.#lowers].map(([id, lowers]) => ({ words: `the service ${id}`, lowers }));
  }
}
