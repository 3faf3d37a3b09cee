/** All routes of the API with their handlers. */
import type { Handlers } from "../call.ts";
import type { Parts } from "../parts.ts";
import { containerRoutes } from "./containers.ts";
import { imageRoutes } from "./images.ts";
import { networkRoutes } from "./networks.ts";
import { resourceRoutes } from "./resources.ts";
import { runRoutes } from "./run.ts";
import { streamRoutes } from "./streams.ts";
import { systemRoutes } from "./system.ts";
import { checkpointRoutes, serviceRoutes } from "./thaw.ts";
import { volumeRoutes } from "./volumes.ts";

export function handlers(parts: Parts): Handlers {
  return {
    ...systemRoutes(parts),
    ...containerRoutes(parts),
    ...streamRoutes(parts),
    ...resourceRoutes(parts),
    ...runRoutes(parts),
    ...imageRoutes(parts),
    ...volumeRoutes(parts),
    ...networkRoutes(parts),
    ...checkpointRoutes(parts),
    ...serviceRoutes(parts),
  };
}
