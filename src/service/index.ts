/** On-demand services as the rest of thaw uses them. */
export { Services } from "./manager.ts";
export type { Probe, ResolvedService, ResolveService, ServiceGateway, ServicePort } from "./ports.ts";
export { serviceId } from "./spec.ts";
export type * from "./types.ts";
export type { ServiceDeps } from "./world.ts";
