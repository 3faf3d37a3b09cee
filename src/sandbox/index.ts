/** Sandboxes as plans: namespaces, cgroups, roots, identities. */
export {
  CAPABILITIES,
  type Capability,
  capabilityBits,
  capabilityName,
  chosenCapabilities,
  DEFAULT_CAPABILITIES,
} from "./capabilities.ts";
export {
  type CgroupLayout,
  type CgroupLimits,
  type CgroupStats,
  Cgroups,
  cgroupPids,
  changeLimits,
  DEFAULT_PIDS,
  type DeviceRate,
  type DiskUse,
  detectCgroups,
  freeze,
  freshLeaves,
  isFrozen,
  isReusable,
  readStats,
  restoreLimits,
  thaw,
} from "./cgroups/index.ts";
export { hostDevices } from "./devices.ts";
export { HOOKS, hookDirectory, hookEnv, type Runtime } from "./identity/hooks.ts";
export { runtimesOf } from "./identity/runtimes.ts";
export type * from "./isolation.ts";
export type { SandboxBind } from "./isolation-plan.ts";
export { type LeanOptions, leanPlan, sharedLeanPlans } from "./lean.ts";
export { leanRoot } from "./lean-root.ts";
export { readFromLowers } from "./lowers.ts";
export { type ClockOffsets, cgroupView, Namespace, timeOffsets } from "./namespaces.ts";
export type { SandboxNetwork, WiredNetwork } from "./network.ts";
export {
  cleanupPlan,
  hookOps,
  isOneOfAKind,
  type ProgramOptions,
  type SandboxOptions,
  sandboxPart,
  sandboxStage,
  startPlan,
  startPlanWithoutInit,
} from "./plan.ts";
export { isAhead, type PoolLimits, SandboxPool } from "./pool.ts";
export { partOf, wiredPart } from "./pooled.ts";
export { type SeccompFilter, SeccompFilters, type SeccompSetting } from "./seccomp/filters.ts";
export { readProfile } from "./seccomp/profile.ts";
export { sysctlProblem } from "./sysctls.ts";
export { DEV, GENERATION, GENERATION_BYTES } from "./tables.ts";
export { ULIMIT_NAMES } from "./ulimits.ts";
export { type ContainerUser, lookupUser } from "./user.ts";
export { hostId, type IdRange } from "./user-namespace.ts";
