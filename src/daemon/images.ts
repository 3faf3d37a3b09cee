/**
 * The image store, builds and exports as the API's handlers need them.
 */
import type { BuildRequest, BuildResult, ImageDetails, ImageRemoval, ImageSummary } from "../api/images.ts";
import type { Paths } from "../common/paths.ts";
import {
  buildArgsFromEnvironment,
  buildImage,
  type Image,
  type ImageStore,
  imageInspect,
  imageSummary,
  type StepRunner,
} from "../image/index.ts";
import { directoryRootfs, exportRootfs, imageRootfs } from "../rootfs/index.ts";
import type { Images, ResolvedImage } from "./parts.ts";

export interface DaemonImagesParts {
  readonly store: ImageStore;
  readonly runner: StepRunner;
  readonly paths: Paths;
}

export class DaemonImages implements Images {
  readonly #parts: DaemonImagesParts;

  constructor(parts: DaemonImagesParts) {
    this.#parts = parts;
  }

  list(): ImageSummary[] {
    return this.#parts.store.list().map(imageSummary);
  }

  inspect(name: string): ImageDetails {
    const details = imageInspect(this.#parts.store.resolve(name));
    return { ...details, RootFS: { Type: "layers", Layers: details.RootFS.Layers } };
  }

  idOf(name: string): string {
    return this.#parts.store.find(name)?.id ?? "";
  }

  remove(name: string, force: boolean): Promise<ImageRemoval[]> {
    return this.#parts.store.remove(name, { force });
  }

  async build(request: BuildRequest, progress: (line: string) => void, signal: AbortSignal): Promise<BuildResult> {
    const { store, runner, paths } = this.#parts;
    const image = await buildImage({
      store,
      runner,
      paths,
      context: request.context,
      buildArgs: { ...buildArgsFromEnvironment(process.env), ...request.args },
      noCache: request.noCache,
      onProgress: progress,
      signal,
      ...(request.dockerfile === undefined ? {} : { dockerfile: request.dockerfile }),
      ...(request.tag === undefined ? {} : { tag: request.tag }),
      ...(request.caFile === undefined ? {} : { caFile: request.caFile }),
    });
    if (request.rootfs !== undefined) await this.exportRootfs(image.manifestDigest, request.rootfs, signal);
    return { id: image.id, tag: request.tag ?? null };
  }

  exportRootfs(name: string, directory: string, signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    // Without the init layer: what is exported is the image, not a container of it.
    return store.holding(() => exportRootfs(store.lowers(store.resolve(name)), directory, signal));
  }

  using<T>(name: string, use: (image: ResolvedImage) => Promise<T>): Promise<T> {
    const { store } = this.#parts;
    return store.holding(async () => use(await this.#resolved(store.resolve(name))));
  }

  async rootfsLowers(directory: string): Promise<readonly string[]> {
    return (await directoryRootfs(directory, this.#parts.paths)).lowers;
  }

  async #resolved(image: Image): Promise<ResolvedImage> {
    const { store, paths } = this.#parts;
    const { config } = image.config;
    return {
      id: image.id,
      lowers: (await imageRootfs(store, image, paths)).lowers,
      entrypoint: config.Entrypoint ?? [],
      command: config.Cmd ?? [],
      env: config.Env ?? [],
      cwd: config.WorkingDir || "/",
      user: config.User ?? "",
      stopSignal: config.StopSignal ?? "",
      labels: config.Labels ?? {},
    };
  }
}
