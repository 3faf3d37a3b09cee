/**
 * From an API request to a ContainerSpec: the request's wishes over the image's defaults, as Docker combines them.
 */
import type { CreateRequest } from "../api/containers.ts";
import type { HostConfig } from "../api/host-config.ts";
import { ThawError } from "../common/errors.ts";
import type { ContainerSpec } from "../container/types.ts";
import { isolationOf, securityOf } from "./isolation.ts";
import { limitsOf } from "./limits.ts";
import { networkChoice } from "./network-spec.ts";
import type { ResolvedImage } from "./parts.ts";

type Defaults = Omit<ResolvedImage, "id">;

/** What a container of a plain directory starts with. */
export function rootfsDefaults(lowers: readonly string[]): Defaults {
  return { lowers, entrypoint: [], command: [], env: [], cwd: "/", user: "", labels: {}, stopSignal: "" };
}

/** @throws ThawError INVALID when there is no command, or ports are published from the host's network. */
export function containerSpec(request: CreateRequest, name: string | undefined, image: Defaults): ContainerSpec {
  const host: Partial<HostConfig> = request.HostConfig ?? {};
  const network = networkChoice(request);
  const ports = host.PortBindings ?? [];
  if (network.mode === "host" && ports.length > 0) {
    throw new ThawError("INVALID", "ports cannot be published from the host's own network", {
      hint: "Leave out either -p or --network host.",
    });
  }
  return {
    // Empty: the manager invents one.
    name: name ?? "",
    image: request.Image ?? undefined,
    rootfs: request.Rootfs ?? undefined,
    lowers: image.lowers,
    argv: commandLine(image, request.Entrypoint, request.Cmd),
    env: environment(image.env, request.Env ?? []),
    cwd: request.WorkingDir || image.cwd || "/",
    user: request.User || image.user,
    hostname: request.Hostname ?? "",
    tty: request.Tty ?? false,
    openStdin: request.OpenStdin ?? false,
    network,
    binds: [...(host.Binds ?? []), ...(host.Mounts?.binds ?? []), ...(request.Volumes ?? [])],
    ports,
    limits: limitsOf(host),
    labels: { ...image.labels, ...request.Labels },
    autoRemove: host.AutoRemove ?? false,
    init: host.Init ?? true,
    lean: request.Lean || undefined,
    userns: host.UsernsMode === "auto" ? { ids: undefined } : undefined,
    isolation: isolationOf(request, host, image.stopSignal),
    security: securityOf(host),
  };
}

/**
 * Entrypoint and command, as Docker combines them: a given entrypoint also drops the image's command.
 * @throws ThawError INVALID when nothing is left to run.
 */
export function commandLine(
  image: Pick<Defaults, "entrypoint" | "command">,
  entrypoint: readonly string[] | null | undefined,
  command: readonly string[] | null | undefined,
): string[] {
  // Docker's clients say "no entrypoint at all" with one empty string.
  const cleared = entrypoint?.length === 1 && entrypoint[0] === "";
  const first = entrypoint ? (cleared ? [] : entrypoint) : image.entrypoint;
  const rest = command && command.length > 0 ? command : entrypoint ? [] : image.command;
  const argv = [...first, ...rest];
  if (argv.length > 0 && argv[0] !== "") return argv;
  throw new ThawError("INVALID", "no command: neither the request nor the image says what to run", {
    hint: "Name a command after the image, or build the image with CMD.",
  });
}

/** The image's variables, then the request's; a later one of a name wins, a name alone takes a variable away. */
export function environment(image: readonly string[], given: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of [...image, ...given]) {
    const name = entry.split("=", 1)[0] ?? entry;
    if (entry.includes("=")) merged.set(name, entry);
    else merged.delete(name);
  }
  return [...merged.values()];
}
