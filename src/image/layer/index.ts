/** Layers: archives checked and unpacked, upper directories committed. */

export { type CommittedLayer, LayerStore, removeTree } from "./store.ts";
export { DEFAULT_LIMITS, type LayerLimits } from "./to-overlay.ts";
export { type PackOptions, packUppers, unpackUpper } from "./upper.ts";
