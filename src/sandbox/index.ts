/** Sandboxes as plans: namespaces, cgroups, roots, identities. */
export { type Capability, capabilityBits, DEFAULT_CAPABILITIES } from "./capabilities.ts";
export { type CgroupLayout, type CgroupLimits, Cgroups, DEFAULT_PIDS, detectCgroups } from "./cgroups.ts";
export { readFromLowers } from "./lowers.ts";
export { type ClockOffsets, cgroupView, Namespace, timeOffsets } from "./namespaces.ts";
export {
  cleanupPlan,
  type LeanOptions,
  leanPlan,
  type ProgramOptions,
  type SandboxBind,
  type SandboxOptions,
  sandboxStage,
  startPlan,
  startPlanWithoutInit,
} from "./plan.ts";
export { type ContainerUser, lookupUser } from "./user.ts";
export type { IdRange } from "./user-namespace.ts";
