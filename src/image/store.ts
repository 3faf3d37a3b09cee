/**
 * The images of one data directory: references, manifests, configs, and which layers they need. Files come first
 * and rows last, so a crash can only leave files that no row speaks of; `sweep` removes them at start-up, `collect`
 * whenever an image goes. While anything is being made of layers (a build, a container start) a hold keeps every
 * file where it is; collection then waits for the last hold to be released.
 */
import type { Database } from "bun:sqlite";
import { ThawError } from "../common/errors.ts";
import { type ContentStore, type Digest, digestHex } from "../content/index.ts";
import type { CommittedLayer, LayerStore } from "./layer/index.ts";
import { CONFIG_TYPE, type ImageConfig, MANIFEST_TYPE, type Manifest } from "./oci.ts";
import { parseReference } from "./reference.ts";
import { type CachedStep, ImageTables } from "./tables.ts";

/** An image that is here, all layers unpacked. */
export interface Image {
  /** Docker's image id: the digest of the config. */
  readonly id: Digest;
  readonly manifestDigest: Digest;
  /** The names it goes by, `name:tag` each, sorted; empty for an image that is only still in use. */
  readonly references: readonly string[];
  readonly manifest: Manifest;
  readonly config: ImageConfig;
  /** Diff ids, the base first. */
  readonly layers: readonly Digest[];
  /** Bytes of all layers, uncompressed. */
  readonly size: number;
}

/** Who needs an image besides its references: names of containers and checkpoints, for the error message. */
export type ImageUsers = (id: Digest) => readonly string[];

/** What `remove` did, one entry an action, as Docker's API reports it. */
export type Removal = { readonly Untagged: string } | { readonly Deleted: string };

/** The images of one data directory. One instance a daemon: holds live in its memory. */
export class ImageStore {
  readonly content: ContentStore;
  readonly layerStore: LayerStore;
  readonly #tables: ImageTables;
  readonly #users: ImageUsers;
  #holds = 0;
  #collectLater = false;
  #collecting: Promise<void> | undefined;

  constructor(db: Database, content: ContentStore, layerStore: LayerStore, users: ImageUsers = () => []) {
    this.content = content;
    this.layerStore = layerStore;
    this.#tables = new ImageTables(db);
    this.#users = users;
  }

  /** Removes everything that a crash left behind. Call it once, at start-up, before anything else. */
  async sweep(): Promise<void> {
    await this.content.sweep();
    await this.layerStore.sweep();
    for (const layer of this.#tables.layers()) {
      if (!(await this.layerStore.has(layer.diffId))) this.#tables.deleteLayer(layer.diffId);
    }
    await this.#removeOrphans();
  }

  /**
   * The image that `name` means: a reference, an image id, or at least 4 hex digits of one.
   * @throws ThawError IMAGE_NOT_FOUND, INVALID (bad or ambiguous name).
   */
  resolve(name: string): Image {
    const image = this.find(name);
    if (image !== undefined) return image;
    throw new ThawError("IMAGE_NOT_FOUND", `no image ${JSON.stringify(name.slice(0, 200))} here`, {
      hint: "See thaw images for what is here; thaw build -t NAME DIR makes one.",
    });
  }

  /** As `resolve`, but undefined when there is none. @throws ThawError INVALID */
  find(name: string): Image | undefined {
    return this.#match(name).image;
  }

  /** All images, the newest first. */
  list(): Image[] {
    return this.#tables.images();
  }

  /** The lower directories of an image for an overlay, top first (without thaw's init layer). */
  lowers(image: Pick<Image, "layers">): string[] {
    return image.layers.map((layer) => this.layerStore.path(layer)).reverse();
  }

  /**
   * Adds an image whose layers were committed or unpacked by the layer store, and gives it a name. An image that
   * had the name before loses it, and is removed when nothing else needs it.
   */
  async add(config: ImageConfig, layers: readonly CommittedLayer[], reference?: string): Promise<Image> {
    return this.holding(async () => {
      for (const layer of layers) this.#tables.addLayer(layer);
      const { digest: id, size } = await this.content.put(Buffer.from(JSON.stringify(config)));
      const descriptors = layers.map(({ mediaType, blob, blobSize }) => ({ mediaType, digest: blob, size: blobSize }));
      const configDescriptor = { mediaType: CONFIG_TYPE, digest: id, size };
      const manifest: Manifest = {
        schemaVersion: 2,
        mediaType: MANIFEST_TYPE,
        config: configDescriptor,
        layers: descriptors,
      };
      const { digest: manifestDigest } = await this.content.put(Buffer.from(JSON.stringify(manifest)));
      const total = layers.reduce((sum, layer) => sum + layer.size, 0);
      const normal = reference === undefined ? undefined : taggable(reference);
      const before = normal === undefined ? undefined : this.#findReference(normal);
      this.#tables.addImage({ id, manifestDigest, manifest, config, size: total }, normal);
      if (before !== undefined) this.#dropIfUnneeded(before);
      return this.resolve(manifestDigest);
    });
  }

  /** Gives the image `source` the further name `target`. @throws ThawError IMAGE_NOT_FOUND, INVALID */
  async tag(source: string, target: string): Promise<Image> {
    const image = this.resolve(source);
    const reference = taggable(target);
    const before = this.#findReference(reference);
    this.#tables.setReference(reference, image.manifestDigest);
    if (before !== undefined) this.#dropIfUnneeded(before);
    await this.collect();
    return this.resolve(image.manifestDigest);
  }

  /**
   * Takes a name away; with its last name the image goes, and every layer that no other image needs. An id instead
   * of a name removes the image with all its names (more than one only with `force`).
   * @throws ThawError IMAGE_NOT_FOUND, IN_USE (a container or checkpoint needs it), INVALID
   */
  async remove(name: string, options: { force?: boolean } = {}): Promise<Removal[]> {
    const image = this.resolve(name);
    const { reference } = this.#match(name);
    const going = reference === undefined ? image.references : [reference];
    if (reference === undefined && going.length > 1 && options.force !== true) {
      throw new ThawError("IN_USE", `image ${name} has ${going.length} names: ${going.join(", ")}`, {
        hint: "Remove the names one by one, or add --force.",
      });
    }
    const last = going.length === image.references.length;
    if (last) this.#refuseUsed(image, name);
    for (const gone of going) this.#tables.deleteReference(gone);
    if (last) this.#tables.deleteImage(image.manifestDigest);
    await this.collect();
    return [...going.map((gone) => ({ Untagged: gone })), ...(last ? [{ Deleted: image.id }] : [])];
  }

  /** Runs `work` while no layer and no blob is collected. Hold from resolving an image until it counts as used. */
  async holding<T>(work: () => Promise<T>): Promise<T> {
    this.#holds += 1;
    try {
      // One that runs already goes on to its end first; none begins while there is a hold.
      await this.#collecting;
      return await work();
    } finally {
      this.#holds -= 1;
      if (this.#holds === 0 && this.#collectLater) await this.collect();
    }
  }

  /** Removes images that lost their last name and user, and layers and blobs that no image needs. */
  async collect(): Promise<void> {
    const run = (this.#collecting ?? Promise.resolve()).then(() => this.#collectNow());
    this.#collecting = run;
    try {
      await run;
    } finally {
      if (this.#collecting === run) this.#collecting = undefined;
    }
  }

  async #collectNow(): Promise<void> {
    this.#collectLater = this.#holds > 0;
    if (this.#collectLater) return;
    for (const image of this.list()) if (image.references.length === 0) this.#dropIfUnneeded(image);
    const needed = new Set(this.list().flatMap((image) => image.layers));
    for (const { diffId } of this.#tables.layers()) if (!needed.has(diffId)) this.#tables.deleteLayer(diffId);
    this.#collectLater = false;
    await this.#removeOrphans();
  }

  /** A layer that is here, by its diff id. */
  layer(diffId: Digest): CommittedLayer | undefined {
    return this.#tables.layer(diffId);
  }

  /** What an equal build step made before, when its layer is still here. */
  cachedStep(key: string): CachedStep | undefined {
    const step = this.#tables.cachedStep(key);
    if (step?.diffId !== undefined && this.layer(step.diffId) === undefined) return undefined;
    return step;
  }

  /** Remembers a build step's result; its layer, if any, is recorded with it. */
  cacheStep(key: string, layer: CommittedLayer | undefined, created: string): void {
    if (layer !== undefined) this.#tables.addLayer(layer);
    this.#tables.cacheStep(key, { diffId: layer?.diffId, created });
  }

  /** The image of that name, and the reference when it was found by one. */
  #match(name: string): { image: Image | undefined; reference?: string } {
    const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(name)?.[1];
    if (hex?.length !== 64) {
      const image = this.#findReference(name);
      if (image !== undefined) return { image, reference: parseReference(name).text };
    }
    const images = hex === undefined ? [] : this.#tables.imagesByPrefix(hex);
    if (new Set(images.map((image) => image.id)).size > 1) {
      throw new ThawError("INVALID", `${name} is the beginning of ${images.length} image ids`, {
        hint: "Give more digits, or the image's name.",
      });
    }
    return { image: images[0] };
  }

  #findReference(name: string): Image | undefined {
    const reference = parseReference(name);
    if (reference.digest === undefined) return this.#tables.imageByReference(reference.text);
    return this.#tables.imagesByPrefix(digestHex(reference.digest))[0];
  }

  #dropIfUnneeded(image: Image): void {
    const now = this.find(image.manifestDigest);
    if (now === undefined || now.references.length > 0 || this.#users(image.id).length > 0) return;
    this.#tables.deleteImage(image.manifestDigest);
    this.#collectLater = true;
  }

  #refuseUsed(image: Image, name: string): void {
    const users = this.#users(image.id);
    if (users.length === 0) return;
    throw new ThawError("IN_USE", `image ${name} is used by ${users.join(", ")}`, {
      hint: "Remove what uses it first (thaw rm, thaw checkpoint rm).",
    });
  }

  async #removeOrphans(): Promise<void> {
    const layers = this.#tables.layers();
    const images = this.list();
    const keptLayers = new Set(layers.map((layer) => layer.diffId));
    const keptBlobs = new Set<Digest>([
      ...layers.map((layer) => layer.blob),
      ...images.flatMap((image) => [image.id, image.manifestDigest, ...image.manifest.layers.map((l) => l.digest)]),
    ]);
    const [unpacked, blobs] = [await this.layerStore.list(), await this.content.list()];
    for (const layer of unpacked) if (!keptLayers.has(layer)) await this.layerStore.remove(layer);
    for (const blob of blobs) if (!keptBlobs.has(blob)) await this.content.delete(blob);
  }
}

/** The normal form of a name that an image can be given. */
function taggable(name: string): string {
  const reference = parseReference(name);
  if (reference.digest === undefined) return reference.text;
  throw new ThawError("INVALID", `${name} has a digest; a name to give has none`, { hint: "Use NAME[:TAG]." });
}
