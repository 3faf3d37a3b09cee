/** Cgroups: detecting them, limits, live changes, statistics, freezing. */
export { Cgroups, type ShownLeaf } from "./cgroups.ts";
export { type CgroupLayout, type Controller, detectCgroups, type Hierarchy } from "./detect.ts";
export { freeze, isFrozen, thaw } from "./freeze.ts";
export { type CgroupLimits, DEFAULT_PIDS, type DeviceRate, type DeviceRates } from "./limits.ts";
export { changeLimits, restoreLimits } from "./live.ts";
export { freshLeaves, isReusable, retireLeaves } from "./reset.ts";
export { type CgroupStats, cgroupPids, type DiskUse, readStats } from "./stats.ts";
