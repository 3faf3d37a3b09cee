/** Images: references, the store, layers, builds, and their Docker API shapes. */
export { ensureBase, isBuiltinBase } from "./base/index.ts";
export {
  type BuildOptions,
  buildArgsFromEnvironment,
  buildImage,
  type RunStep,
  type StepRunner,
} from "./build/index.ts";
export { imageInspect, imageSummary } from "./docker-json.ts";
export { type CommittedLayer, type LayerLimits, LayerStore, removeTree } from "./layer/index.ts";
export { type Found, MergedView, type Resolved } from "./merged.ts";
export type { History, ImageConfig, Manifest, RunConfig } from "./oci.ts";
export { parseReference, type Reference } from "./reference.ts";
export { type Image, ImageStore, type ImageUsers, type Removal } from "./store.ts";
export { type ImageUser, lookupOwner, lookupUser } from "./users.ts";
