/**
 * Routes of what Docker has no word for: checkpoints, services, projects.
 */

import type { RouteName } from "../../api/routes.ts";
import {
  type CheckpointExportAnswer,
  checkpointCreateSchema,
  checkpointExportSchema,
  checkpointImportSchema,
  type DownAnswer,
  downQuerySchema,
  restoreSchema,
  type ServiceUpRequest,
  serviceUpSchema,
} from "../../api/thaw.ts";
import type { Service, ServiceSpec } from "../../service/types.ts";
import type { Call, Handler } from "../call.ts";
import { metricsOf } from "../metrics.ts";
import type { Parts } from "../parts.ts";
import { serviceContainer } from "../service-container.ts";
import { containerDetails } from "../shapes.ts";
import { commandLine, environment } from "../spec.ts";

type CheckpointRoutes =
  | "checkpointList"
  | "checkpointCreate"
  | "checkpointInspect"
  | "checkpointRemove"
  | "checkpointExport"
  | "checkpointImport"
  | "checkpointRestore";
type ServiceRoutes = "metrics" | "serviceList" | "serviceUp" | "serviceInspect" | "serviceSleep" | "projectDown";

export function checkpointRoutes({
  checkpoints,
  archives,
  dumpWhen,
  containers,
  images,
}: Parts): Record<CheckpointRoutes & RouteName, Handler> {
  return {
    checkpointList: async (call) => call.json(await checkpoints.list()),
    checkpointInspect: async (call) => call.json(await checkpoints.get(call.param("name"))),
    checkpointCreate: async (call) => {
      const { name, ...request } = await call.body(checkpointCreateSchema);
      call.json(await dumpWhen({ ...request, checkpoint: name }, call.signal), 201);
    },
    checkpointRemove: async (call) => {
      await checkpoints.remove(call.param("name"));
      call.empty();
    },
    checkpointExport: async (call) => {
      const { file } = await call.body(checkpointExportSchema);
      call.json((await archives.export(call.param("name"), file, call.signal)) satisfies CheckpointExportAnswer);
    },
    checkpointImport: async (call) => {
      const { name } = await archives.import(await call.body(checkpointImportSchema), call.signal);
      call.json(await checkpoints.get(name), 201);
    },
    checkpointRestore: async (call) => {
      const container = await checkpoints.restore(call.param("name"), await call.body(restoreSchema));
      const { image } = container.spec;
      call.json(containerDetails(container, image === undefined ? "" : images.idOf(image), containers.networks), 201);
    },
  };
}

export function serviceRoutes(parts: Parts): Record<ServiceRoutes & RouteName, Handler> {
  const { services } = parts;
  return {
    metrics: async (call) => {
      const { text, contentType } = await metricsOf(services.list());
      call.text(text, contentType);
    },
    serviceList: async (call) => call.json(services.list()),
    serviceInspect: async (call) => call.json(services.get(call.param("id"))),
    serviceUp: async (call) => {
      const request = await call.body(serviceUpSchema);
      await call.progress((line) => up(parts, request, line));
    },
    serviceSleep: async (call) => {
      await services.sleep(call.param("id"));
      call.empty();
    },
    projectDown: (call) => down(parts, call),
  };
}

/** The layers stay from looking the image up until the service holds a container or checkpoint of it. */
function up({ images, services }: Parts, request: ServiceUpRequest, line: (text: string) => void): Promise<Service> {
  const { entrypoint, command, limits, container, ...rest } = request;
  return images.using(request.image, (image) => {
    const spec: ServiceSpec = {
      ...rest,
      argv: commandLine(image, entrypoint, command),
      env: environment(image.env, request.env),
      limits: { memory: undefined, nanoCpus: undefined, pids: undefined, ...limits },
      container: container && serviceContainer(container),
    };
    return services.up(spec, line);
  });
}

async function down({ services, volumes }: Parts, call: Call): Promise<void> {
  const project = call.param("project");
  const wanted = call.query(downQuerySchema).volumes ? projectVolumes(services.list(), project) : [];
  const removed = await services.down(project);
  // Another container may have one of them.
  const unused = wanted.filter((name) => volumes.store.find(name) && volumes.userOf(name) === undefined);
  for (const name of unused) await volumes.remove(name);
  call.json({ removed, volumes: unused } satisfies DownAnswer);
}

/** The volumes that are a project's own by their names, and that its services have. */
function projectVolumes(services: readonly Service[], project: string): string[] {
  const own = services.filter(({ spec }) => spec.project === project);
  const names = own.flatMap(({ spec }) => (spec.container?.binds ?? []).map(({ volume }) => volume ?? ""));
  return [...new Set(names)].filter((name) => name.startsWith(`${project}_`));
}
