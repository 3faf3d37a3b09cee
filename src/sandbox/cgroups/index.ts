/** Cgroups: detecting them, limits, live changes, statistics, freezing. */
export { Cgroups, type ShownLeaf } from "./cgroups.ts";
export { type CgroupLayout, type Controller, detectCgroups, type Hierarchy } from "./detect.ts";
export { type CgroupLimits, DEFAULT_PIDS, type DeviceRate, type DeviceRates } from "./limits.ts";
