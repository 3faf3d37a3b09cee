/** Volumes: directories that containers share and that outlive them. */
export { fillVolume } from "./fill.ts";
export { VOLUME_NAME } from "./name.ts";
export { type Volume, VolumeStore } from "./store.ts";
