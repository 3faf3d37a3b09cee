/**
 * A build under way: the image as it is after the steps so far, and the rule for steps that change files. Such a
 * step has a key made of everything that its result depends on; a step whose key is known is not done again.
 */
import { readdir } from "node:fs/promises";
import { ThawError } from "../../common/errors.ts";
import { type Digest, digestOf } from "../../content/index.ts";
import { type CommittedLayer, removeTree } from "../layer/index.ts";
import type { History, ImageConfig, RunConfig } from "../oci.ts";
import { hostArchitecture } from "../oci.ts";
import type { Image, ImageStore } from "../store.ts";
import type { BuildContext } from "./context.ts";
import type { Instruction } from "./dockerfile.ts";
import type { StepRunner } from "./runner.ts";
import { freshUpper } from "./upper.ts";

/** What a build is given besides the Dockerfile. */
export interface BuildTools {
  readonly store: ImageStore;
  readonly context: BuildContext;
  readonly runner: StepRunner;
  readonly noCache: boolean;
  readonly caFile: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly onProgress: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** The overlay mount options of an image take one page: more layers than this do not fit. */
const MAX_LAYERS = 50;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The image being made. */
export class BuildState {
  readonly tools: BuildTools;
  /** What containers of the image run by default; instructions change it in place. */
  readonly config: RunConfig;
  /** ARGs declared so far. */
  readonly args = new Map<string, string>();
  readonly #base: Image | undefined;
  readonly #layers: CommittedLayer[] = [];
  readonly #history: History[];
  #created: string;

  constructor(tools: BuildTools, base: Image | undefined) {
    this.tools = tools;
    this.#base = base;
    this.config = structuredClone(base?.config.config ?? {});
    this.#history = [...(base?.config.history ?? [])];
    this.#created = base?.config.created ?? new Date(0).toISOString();
    for (const diffId of base?.layers ?? []) this.#layers.push(this.#knownLayer(diffId));
    if (envValue(this.config.Env ?? [], "PATH") === undefined) this.setEnv("PATH", DEFAULT_PATH);
  }

  /** The lower directories of the image so far, top first. */
  get lowers(): string[] {
    return this.#layers.map((layer) => this.tools.store.layerStore.path(layer.diffId)).reverse();
  }

  /** Values for `$NAME`: ARGs, and ENVs, which win. */
  get variables(): Map<string, string> {
    const env = (this.config.Env ?? []).map((entry): [string, string] => splitEnv(entry));
    return new Map([...this.args, ...env]);
  }

  /** Sets an environment variable of the image. */
  setEnv(name: string, value: string): void {
    const others = (this.config.Env ?? []).filter((entry) => splitEnv(entry)[0] !== name);
    this.config.Env = [...others, `${name}=${value}`];
  }

  /** Records an instruction that changed no file. */
  record(instruction: Instruction): void {
    this.#history.push({ created: this.#created, created_by: instruction.summary, empty_layer: true });
  }

  /**
   * Does an instruction that changes files: `work` fills the upper directory, which becomes a layer. `key` is
   * everything its result depends on besides the layers below.
   */
  async layer(instruction: Instruction, key: unknown, work: (upper: string) => Promise<void>): Promise<void> {
    const { store, onProgress, noCache } = this.tools;
    const fullKey = digestOf(JSON.stringify([this.#chainId(), instruction.keyword, key]));
    const cached = noCache ? undefined : store.cachedStep(fullKey);
    if (cached !== undefined) {
      onProgress(" ---> Using cache");
      this.#push(
        instruction,
        cached.diffId === undefined ? undefined : this.#knownLayer(cached.diffId),
        cached.created,
      );
      return;
    }
    const layer = await this.#make(work);
    const created = new Date().toISOString();
    store.cacheStep(fullKey, layer, created);
    this.#push(instruction, layer, created);
  }

  /** The finished image, under `reference` if given. */
  async finish(reference: string | undefined): Promise<Image> {
    const config: ImageConfig = {
      // The time of the last step that really ran: a build out of the cache gives the very same image again.
      created: this.#created,
      architecture: this.#base?.config.architecture ?? hostArchitecture(),
      os: "linux",
      config: this.config,
      rootfs: { type: "layers", diff_ids: this.#layers.map((layer) => layer.diffId) },
      history: this.#history,
    };
    return this.tools.store.add(config, this.#layers, reference);
  }

  async #make(work: (upper: string) => Promise<void>): Promise<CommittedLayer | undefined> {
    const { layerStore } = this.tools.store;
    const upper = await freshUpper(layerStore, this.lowers);
    try {
      await work(upper);
      this.tools.signal?.throwIfAborted();
      return (await isEmpty(upper)) ? undefined : await layerStore.commit(upper, this.tools.signal);
    } finally {
      await removeTree(upper);
    }
  }

  #push(instruction: Instruction, layer: CommittedLayer | undefined, created: string): void {
    if (layer !== undefined) this.#layers.push(layer);
    if (this.#layers.length > MAX_LAYERS) {
      throw new ThawError("UNSUPPORTED", `the image would have more than ${MAX_LAYERS} layers`, {
        hint: "Join RUN instructions with && so that there are fewer of them.",
      });
    }
    this.#created = created > this.#created ? created : this.#created;
    const empty = layer === undefined ? { empty_layer: true } : {};
    this.#history.push({ created, created_by: instruction.summary, ...empty });
  }

  #chainId(): Digest {
    return digestOf(this.#layers.map((layer) => layer.diffId).join(" "));
  }

  #knownLayer(diffId: Digest): CommittedLayer {
    const layer = this.tools.store.layer(diffId);
    if (layer !== undefined) return layer;
    throw new ThawError("INTERNAL", `layer ${diffId} is gone`, { hint: "Build again with --no-cache." });
  }
}

/** `NAME=value` as a pair. */
export function splitEnv(entry: string): [string, string] {
  const equals = entry.indexOf("=");
  return equals < 0 ? [entry, ""] : [entry.slice(0, equals), entry.slice(equals + 1)];
}

function envValue(env: readonly string[], name: string): string | undefined {
  return env.map(splitEnv).find(([key]) => key === name)?.[1];
}

async function isEmpty(directory: string): Promise<boolean> {
  return (await readdir(directory)).length === 0;
}
