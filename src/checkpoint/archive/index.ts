/** Checkpoints that are taken from one machine to another as files. */
import { mkdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { asThawError, ThawError } from "../../common/errors.ts";
import type { ContainerSpec } from "../../container/types.ts";
import { removeTree } from "../../image/index.ts";
import type { MachineFacts } from "../facts.ts";
import type { DigestedFile } from "../files.ts";
import { digestFile } from "../files.ts";
import type { CheckpointManifest } from "../manifest.ts";
import type { CheckpointStore, PendingCheckpoint } from "../store.ts";
import { rightsOf, specFrom } from "./container.ts";
import { writeArchive } from "./export.ts";
import type { Description } from "./format.ts";
import { isOwn, readArchive } from "./import.ts";
import { readPodmanArchive } from "./podman-import.ts";

/** Where a container's root comes from on this machine. */
export interface Roots {
  /** Calls `use` with the lower directories of an image, top first, which stay until it has resolved. @throws ThawError IMAGE_NOT_FOUND. */
  using<T>(image: string, use: (root: { readonly lowers: readonly string[] }) => Promise<T>): Promise<T>;
  /** @throws ThawError PATH_NOT_FOUND. */
  rootfsLowers(directory: string): Promise<readonly string[]>;
}

export interface ArchiveDeps {
  readonly store: CheckpointStore;
  readonly roots: Roots;
  /** Directory of all layers. */
  readonly layers: string;
  /** The directory of the hooks that renew random numbers. */
  readonly hooks: () => string;
  /** This machine's. */
  readonly facts: () => Promise<MachineFacts>;
  /** What the processes in a directory of images may do that a container of this spec may not; see rights.ts. */
  readonly excess: (images: string, spec: ContainerSpec) => Promise<readonly string[]>;
}

export interface ImportRequest {
  /** Absolute. */
  readonly file: string;
  /** What to call the checkpoint; as in the archive when not given. */
  readonly name?: string | undefined;
  /** Take it although its container reaches for more of this host than others do. */
  readonly trust: boolean;
  /** The image of a container of podman's; the one that podman names when not given. */
  readonly image?: string | undefined;
  /** Hexadecimal SHA-256 that the file must have. */
  readonly sha256?: string | undefined;
}

export class Archives {
  readonly #deps: ArchiveDeps;

  constructor(deps: ArchiveDeps) {
    this.#deps = deps;
  }

  /**
   * Writes a checkpoint into a new file, after all of it was compared with its digests.
   * @throws ThawError CHECKPOINT_NOT_FOUND, DIGEST_MISMATCH, UNSUPPORTED, NAME_IN_USE, PATH_NOT_FOUND, NO_SPACE, CANCELLED.
   */
  async export(name: string, file: string, signal: AbortSignal): Promise<DigestedFile> {
    const { store, layers } = this.#deps;
    const manifest = store.get(name);
    await store.verify(manifest.id);
    const scratch = store.scratch();
    await mkdir(scratch, { recursive: true, mode: 0o700 });
    try {
      return await writeArchive({ manifest, directory: store.directoryOf(manifest.id), layers, scratch, file, signal });
    } catch (error) {
      throw asThawError(error);
    } finally {
      await removeTree(scratch);
    }
  }

  /**
   * Makes a checkpoint of an archive.
   * @throws ThawError BAD_ARCHIVE, DIGEST_MISMATCH, NAME_IN_USE, IMAGE_NOT_FOUND, CHECKPOINT_INCOMPATIBLE (another image of
   *   that name), NOT_PERMITTED (without `trust`), UNSUPPORTED, NO_SPACE, CANCELLED; then nothing of it is left.
   */
  async import(request: ImportRequest, signal: AbortSignal): Promise<CheckpointManifest> {
    const { store } = this.#deps;
    await checkFile(request);
    const pending = await store.begin(request.name ?? `import-${crypto.randomUUID().slice(0, 8)}`);
    try {
      if (!(await isOwn(request.file))) return await this.#importPodmans(request, pending, signal);
      if (request.image !== undefined) throw imageGiven();
      const refuse = async (description: Description) => {
        store.refuseTaken(request.name ?? description.checkpoint.name);
        if (!request.trust) refuseRights(description);
        await this.#withRoot(description, async () => {});
      };
      const description = await readArchive(request.file, pending.dir, refuse, signal);
      return await this.#withRoot(description, async (lowers) => {
        const { checkpoint, container } = description;
        const spec = specFrom(container, lowers, this.#deps.hooks());
        if (!request.trust) await this.#refuseExcess(pending.dir, spec);
        return store.commit(pending.id, {
          ...checkpoint,
          name: request.name ?? checkpoint.name,
          layers: lowers.toReversed(),
          container: { ...spec },
          engine: "criu",
          reasons: [],
        });
      });
    } catch (error) {
      await store.discard(pending.id);
      throw asThawError(error);
    }
  }

  /** Of such an archive nothing tells what its processes may do, and all that is checked against it is the image's name. */
  async #importPodmans(
    { file, name, image, trust }: ImportRequest,
    { id, dir }: PendingCheckpoint,
    signal: AbortSignal,
  ): Promise<CheckpointManifest> {
    if (!trust) throw notPermitted("podman's archives have no digests, and processes with rights of their own");
    const { store, roots, facts } = this.#deps;
    const { container, ...dumped } = await readPodmanArchive(file, dir, signal);
    const used = image ?? container.image;
    return roots.using(used, async ({ lowers }) =>
      store.commit(id, {
        ...dumped,
        name: name ?? container.name,
        image: used,
        containerName: container.name,
        layers: lowers.toReversed(),
        container: { ...container.spec, image: used, lowers },
        facts: await facts(),
        mainPid: 1,
        ownPids: true,
        engine: "criu",
        reasons: [],
      }),
    );
  }

  async #refuseExcess(directory: string, spec: ContainerSpec): Promise<void> {
    const excess = await this.#deps.excess(join(directory, "images"), spec);
    if (excess.length > 0) throw notPermitted(`the checkpoint's processes have, or may want, ${excess.join("; ")}`);
  }

  async #withRoot<T>({ container, layers }: Description, use: (lowers: readonly string[]) => Promise<T>): Promise<T> {
    const { roots } = this.#deps;
    if (container.image === undefined) return use(await roots.rootfsLowers(container.rootfs ?? ""));
    const { image } = container;
    return roots.using(image, ({ lowers }) => {
      const here = lowers.filter((lower) => dirname(lower) === this.#deps.layers).map((lower) => basename(lower));
      if (here.join() === layers.join()) return use(lowers);
      throw new ThawError(
        "CHECKPOINT_INCOMPATIBLE",
        `the image ${image} is another than the checkpoint was made with`,
        {
          hint: "Bring that image here, with the same layers.",
        },
      );
    });
  }
}

async function checkFile({ file, sha256 }: ImportRequest): Promise<void> {
  const found = await digestFile(file).catch((cause) => {
    throw new ThawError("PATH_NOT_FOUND", `cannot read ${file}`, { hint: "Check the path.", cause });
  });
  if (sha256 === undefined || found.sha256 === sha256) return;
  throw new ThawError("DIGEST_MISMATCH", `${file}: expected sha256 ${sha256}, got ${found.sha256}`, {
    hint: "It is not the file that was exported: copy it again.",
  });
}

function imageGiven(): ThawError {
  return new ThawError("INVALID", "an image was given for an archive of thaw's own, which names its image", {
    hint: "Leave --image out.",
  });
}

function refuseRights({ container }: Description): void {
  const rights = rightsOf(container);
  if (rights.length === 0) return;
  throw notPermitted(`the checkpoint's container wants ${rights.join("; ")}`);
}

function notPermitted(message: string): ThawError {
  return new ThawError("NOT_PERMITTED", message, { hint: "Add --trust if you know where the archive comes from." });
}
