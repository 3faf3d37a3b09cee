/**
 * `thaw build`: a Dockerfile, or the default one, becomes an image. Every step that changes files is one layer, made
 * in a temporary directory and published whole; a build that is stopped, killed or fails leaves the layers of its
 * finished steps as cache and nothing else.
 */
import { stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { asThawError, ThawError } from "../../common/errors.ts";
import type { Paths } from "../../common/paths.ts";
import { ensureBase, isBuiltinBase } from "../base/index.ts";
import { parseReference } from "../reference.ts";
import type { Image, ImageStore } from "../store.ts";
import { BuildContext } from "./context.ts";
import { defaultDockerfile } from "./default-dockerfile.ts";
import { atLine, type Instruction, parseDockerfile } from "./dockerfile.ts";
import type { StepRunner } from "./runner.ts";
import { expandWord, splitWords } from "./shell-words.ts";
import { BuildState, type BuildTools } from "./state.ts";
import { argValues, STEPS } from "./steps.ts";

export interface BuildOptions {
  readonly store: ImageStore;
  readonly paths: Paths;
  readonly runner: StepRunner;
  /** The directory that COPY takes files from. */
  readonly context: string;
  /** The Dockerfile, absolute or relative to the context; default: `Dockerfile` in it, or else the default one. */
  readonly dockerfile?: string;
  /** The image's name, `NAME[:TAG]`. */
  readonly tag?: string;
  readonly buildArgs?: Readonly<Record<string, string>>;
  /** Does every step again. */
  readonly noCache?: boolean;
  /**
   * A CA bundle of the host that RUN steps may use while they run (PIP_CERT and the like point to it); it is not in
   * the image. The default Dockerfile uses the host's own bundle.
   */
  readonly caFile?: string;
  /** Called with every line of progress and of the steps' output. */
  readonly onProgress?: (line: string) => void;
  readonly signal?: AbortSignal;
}

const HOST_CA = "/etc/ssl/certs/ca-certificates.crt";

/**
 * Builds an image.
 * @throws ThawError BUILD_FAILED (a step), INVALID and UNSUPPORTED (with the Dockerfile's line), IMAGE_NOT_FOUND,
 * PATH_NOT_FOUND, NO_SPACE, CANCELLED, DEPENDENCY_MISSING.
 */
export async function buildImage(options: BuildOptions): Promise<Image> {
  try {
    if (options.tag !== undefined) parseReference(options.tag);
    return await options.store.holding(() => build(options));
  } catch (error) {
    throw options.signal?.aborted ? cancelled(error) : asThawError(error);
  }
}

async function build(options: BuildOptions): Promise<Image> {
  const onProgress = options.onProgress ?? (() => {});
  const context = await BuildContext.open(options.context);
  const source = await readDockerfile(context, options.dockerfile);
  const instructions = parseDockerfile(source.text);
  if (source.isDefault) onProgress("No Dockerfile here: using the default one for Python programs");
  const caFile = options.caFile ?? (source.isDefault && (await exists(HOST_CA)) ? HOST_CA : undefined);
  const tools: BuildTools = {
    store: options.store,
    context,
    runner: options.runner,
    noCache: options.noCache ?? false,
    caFile,
    buildArgs: new Map(Object.entries(options.buildArgs ?? {})),
    onProgress,
    signal: options.signal,
  };
  const state = await runSteps(instructions, tools, options.paths);
  const image = await state.finish(options.tag);
  onProgress(`Successfully built ${shortId(image)}`);
  if (options.tag !== undefined) onProgress(`Successfully tagged ${parseReference(options.tag).text}`);
  return image;
}

async function runSteps(instructions: readonly Instruction[], tools: BuildTools, paths: Paths): Promise<BuildState> {
  const globals = new Map<string, string>();
  let state: BuildState | undefined;
  for (const [index, instruction] of instructions.entries()) {
    tools.signal?.throwIfAborted();
    tools.onProgress(`Step ${index + 1}/${instructions.length} : ${shortened(instruction.summary)}`);
    try {
      if (instruction.keyword === "FROM") {
        state = new BuildState(tools, await baseImage(instruction, globals, tools, paths));
      } else if (state === undefined) {
        for (const [name, value] of argValues(instruction.text, globals, tools.buildArgs)) globals.set(name, value);
      } else await STEPS[instruction.keyword](state, instruction);
    } catch (error) {
      throw atLine(instruction.line, error);
    }
  }
  if (state === undefined) throw new ThawError("INVALID", "the Dockerfile has no FROM");
  return state;
}

/** The image that FROM names; undefined for `scratch`. */
async function baseImage(
  { text }: Instruction,
  globals: ReadonlyMap<string, string>,
  { store, onProgress, signal }: BuildTools,
  paths: Paths,
): Promise<Image | undefined> {
  const [name = "", as, stage, ...rest] = splitWords(text, globals);
  if (rest.length > 0 || (as !== undefined && (as.toLowerCase() !== "as" || stage === undefined))) {
    throw new ThawError("INVALID", `FROM ${text}: expected FROM IMAGE [AS NAME]`);
  }
  if (expandWord(name, globals) === "scratch") return undefined;
  if (isBuiltinBase(name)) return ensureBase(store, paths, name, { onProgress, ...(signal ? { signal } : {}) });
  const found = store.find(name);
  if (found !== undefined) return found;
  throw new ThawError("IMAGE_NOT_FOUND", `no image ${name} here to build from`, {
    hint: "Build it first (thaw build -t NAME DIR), or begin with FROM thaw/python, thaw/debian or scratch.",
  });
}

async function readDockerfile(context: BuildContext, given: string | undefined) {
  if (given !== undefined && isAbsolute(given)) {
    const file = Bun.file(given);
    if (await file.exists()) return { text: await file.text(), isDefault: false };
    throw noDockerfile(given);
  }
  const text = await context.readText(given ?? "Dockerfile");
  if (text !== undefined) return { text, isDefault: false };
  if (given !== undefined) throw noDockerfile(join(context.directory, given));
  return { text: await defaultDockerfile(context), isDefault: true };
}

function noDockerfile(path: string): ThawError {
  return new ThawError("PATH_NOT_FOUND", `there is no Dockerfile ${path}`, {
    hint: "Paths given with -f are relative to the build context.",
  });
}

/** The build arguments that a user's environment gives to pip and to programs that use a proxy. */
export function buildArgsFromEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const wanted = /^(?:(?:https?|ftp|no|all)_proxy|PIP_(?:INDEX_URL|EXTRA_INDEX_URL|TRUSTED_HOST))$/i;
  const entries = Object.entries(env).filter(([name, value]) => wanted.test(name) && value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [name, value ?? ""]));
}

function cancelled(cause: unknown): ThawError {
  return new ThawError("CANCELLED", "the build was cancelled", { cause });
}

function shortened(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 157)}...`;
}

function shortId(image: Image): string {
  return image.id.slice("sha256:".length, "sha256:".length + 12);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
