/**
 * From a compose file's service to what the daemon is asked: a build, if there is one, and the service with
 * absolute paths, numbers and defaults.
 */
import { dirname, resolve } from "node:path";
import type { BuildInput } from "../images.ts";
import type { ServiceUpInput } from "../thaw.ts";
import { serviceContainer } from "./container.ts";
import type { TopVolumes } from "./container-keys.ts";
import { serviceLimits } from "./limits.ts";
import type { NamedService } from "./load.ts";

export interface ResolvedService {
  /** Made before the service; its tag is the service's image. */
  readonly build: BuildInput | undefined;
  readonly service: ServiceUpInput;
}

type Checkpoint = NonNullable<NonNullable<NamedService["x-thaw"]>["checkpoint"]>;

/**
 * @param file     absolute path of the compose file: relative paths in it are relative to its directory.
 * @param volumes  the file's volumes.
 * @throws ThawError PATH_NOT_FOUND for a seccomp profile that cannot be read.
 */
export function resolveService(
  given: NamedService,
  project: string,
  file: string,
  volumes: TopVolumes = {},
): ResolvedService {
  const image = given.image ?? `${project}-${given.name}`.toLowerCase();
  const thaw = given["x-thaw"] ?? {};
  const container = serviceContainer(given, { project, service: given.name, file, volumes });
  return {
    build: given.build === undefined ? undefined : buildOf(given.build, image, dirname(file)),
    service: {
      project,
      name: given.name,
      image,
      env: (given.environment ?? []).map(fromHere),
      ports: given.ports ?? [],
      warmup: thaw.checkpoint?.warmup ?? [],
      checkpoint: whenOf(thaw.checkpoint),
      limits: serviceLimits(given),
      ...(container === undefined ? {} : { container }),
      ...(given.command === undefined ? {} : { command: words(given.command) }),
      ...(given.entrypoint === undefined ? {} : { entrypoint: words(given.entrypoint) }),
      ...(thaw.idle === undefined ? {} : { idleMs: thaw.idle }),
      ...(thaw.tier === undefined ? {} : { tier: thaw.tier }),
      ...(thaw.reseed === undefined ? {} : { reseed: thaw.reseed }),
      ...(thaw.ready_timeout === undefined ? {} : { readyTimeoutMs: thaw.ready_timeout }),
    },
  };
}

function buildOf(build: NonNullable<NamedService["build"]>, tag: string, directory: string): BuildInput {
  const context = resolve(directory, build.context);
  const dockerfile = build.dockerfile;
  return {
    context,
    tag,
    args: build.args,
    ...(dockerfile === undefined ? {} : { dockerfile: resolve(context, dockerfile) }),
  };
}

function whenOf(checkpoint: Checkpoint | undefined): NonNullable<ServiceUpInput["checkpoint"]> {
  const when = checkpoint?.when ?? "ready";
  if (typeof when === "object") return { when: "log", pattern: when.log };
  if (when === "healthy") return { when, path: checkpoint?.path ?? "/" };
  return { when };
}

/** A variable without a value takes that of this environment, or is none. */
function fromHere(entry: string): string {
  const value = process.env[entry];
  return entry.includes("=") || value === undefined ? entry : `${entry}=${value}`;
}

/** A string is taken apart as a shell would: at spaces, but not inside quotes. */
export function words(command: string | readonly string[]): string[] {
  if (typeof command !== "string") return [...command];
  const found = command.match(/(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/g) ?? [];
  return found.map((word) =>
    word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, (_, double?: string, single?: string, escaped?: string) =>
      double !== undefined ? double.replace(/\\(["\\$`])/g, "$1") : (single ?? escaped ?? ""),
    ),
  );
}
