/**
 * Container routes that answer once: create, list, inspect, start, stop, restart, kill, resize, remove.
 */
import {
  type ContainerFilters,
  type CreateRequest,
  createQuerySchema,
  createSchema,
  killQuerySchema,
  listQuerySchema,
  removeQuerySchema,
  resizeQuerySchema,
  stopQuerySchema,
} from "../../api/containers.ts";
import type { RouteName } from "../../api/routes.ts";
import { ThawError } from "../../common/errors.ts";
import type { Container, ContainerSpec } from "../../container/types.ts";
import type { Call, Handler } from "../call.ts";
import { hasLabel } from "../labels.ts";
import { withVolumesFrom } from "../mounts.ts";
import type { Parts } from "../parts.ts";
import { containerDetails, containerSummary, shownState } from "../shapes.ts";
import { signalNumber } from "../signals.ts";
import { containerSpec, rootfsDefaults } from "../spec.ts";

type ContainerRoutes =
  | "containerList"
  | "containerCreate"
  | "containerInspect"
  | "containerStart"
  | "containerStop"
  | "containerRestart"
  | "containerKill"
  | "containerResize"
  | "containerRemove";

export function containerRoutes(parts: Parts): Record<ContainerRoutes & RouteName, Handler> {
  const { containers } = parts;
  return {
    containerList: async (call) => call.json(list(parts, call)),
    containerCreate: (call) => create(parts, call),
    containerInspect: async (call) => {
      const container = containers.get(call.param("id"));
      call.json(containerDetails(container, imageId(parts, container), containers.networks));
    },
    containerStart: async (call) => {
      const { id, state } = containers.get(call.param("id"));
      if (state === "running") return call.empty(304);
      await containers.start(id);
      call.empty();
    },
    containerStop: async (call) => {
      const { id, state } = containers.get(call.param("id"));
      if (state !== "running") return call.empty(304);
      await stop(parts, call, id);
      call.empty();
    },
    containerRestart: async (call) => {
      const { id, spec, state } = containers.get(call.param("id"));
      if (state === "running") {
        if (spec.autoRemove) throw removesItself(spec.name);
        await stop(parts, call, id);
      }
      await containers.start(id);
      call.empty();
    },
    containerKill: async (call) => {
      await containers.signal(call.param("id"), signalNumber(call.query(killQuerySchema).signal));
      call.empty();
    },
    containerResize: async (call) => {
      const { h, w } = call.query(resizeQuerySchema);
      await containers.resize(call.param("id"), h, w);
      call.empty(200);
    },
    containerRemove: async (call) => {
      const { force, v } = call.query(removeQuerySchema);
      const { id, spec } = containers.get(call.param("id"));
      await containers.remove(id, { force, volumes: v || spec.autoRemove });
      parts.removals.emit(id);
      call.empty();
    },
  };
}

async function stop({ containers }: Parts, call: Call, id: string): Promise<void> {
  const { t, signal } = call.query(stopQuerySchema);
  const signo = signal ? signalNumber(signal) : undefined;
  await containers.stop(id, t === undefined ? undefined : t * 1000, signo);
}

function removesItself(name: string): ThawError {
  return new ThawError("WRONG_STATE", `${name} removes itself when it ends and cannot be restarted`, {
    hint: "Run it again, without --rm when it shall outlive its end.",
  });
}

async function create(parts: Parts, call: Call): Promise<void> {
  const { name } = call.query(createQuerySchema);
  const container = await createContainer(parts, await call.body(createSchema), name);
  call.json({ Id: container.id, Warnings: [] }, 201);
}

/** Makes what a request asks for. @throws ThawError as `ContainerManager.create`, IMAGE_NOT_FOUND. */
export async function createContainer(
  { containers, images, reseeding }: Parts,
  request: CreateRequest,
  name: string | undefined,
): Promise<Container> {
  const from = request.HostConfig?.VolumesFrom ?? [];
  const make = (plain: ContainerSpec) => {
    const spec = reseeding.of(plain, request.Reseed);
    return containers.create(from.length === 0 ? spec : withVolumesFrom(spec, from, (id) => containers.get(id)));
  };
  return request.Rootfs
    ? make(containerSpec(request, name, rootfsDefaults(await images.rootfsLowers(request.Rootfs))))
    : images.using(request.Image ?? "", (image) => make(containerSpec(request, name, image)));
}

function list(parts: Parts, call: Call) {
  const { all, limit, filters = {} } = call.query(listQuerySchema);
  const everything = all || limit !== undefined || filters.status !== undefined;
  const matching = parts.containers.list({ all: everything }).filter((container) => passes(container, filters));
  const newestFirst = matching.sort((a, b) => b.createdAt - a.createdAt).slice(0, limit || undefined);
  const now = Date.now();
  return newestFirst.map((container) =>
    containerSummary(container, imageId(parts, container), parts.containers.networks, now),
  );
}

/** Values of one filter are alternatives; all filters must hold. */
function passes(container: Container, filters: ContainerFilters): boolean {
  const { id, spec } = container;
  const some = (values: string[] | undefined, test: (value: string) => boolean) => values?.some(test) ?? true;
  return (
    some(filters.id, (value) => id.startsWith(value)) &&
    some(filters.name, (value) => spec.name.includes(value.replace(/^\//, ""))) &&
    some(filters.status, (value) => shownState(container) === value) &&
    some(filters.ancestor, (value) => spec.image === value || spec.image === `${value}:latest`) &&
    some(filters.label, (value) => hasLabel(spec.labels, value))
  );
}

function imageId({ images }: Parts, { spec }: Container): string {
  return spec.image === undefined ? "" : images.idOf(spec.image);
}
