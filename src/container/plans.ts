/** What a container's spec means for the launcher. */
import { type HostOp, type Op, type RunMessage, Stdio } from "../launcher/generated/protocol.ts";
import {
  type Cgroups,
  chosenCapabilities,
  cleanupPlan,
  hostId,
  lookupUser,
  type ProgramOptions,
  type SandboxNetwork,
  type SandboxOptions,
  type SeccompFilter,
  type SeccompFilters,
  startPlan,
  startPlanWithoutInit,
} from "../sandbox/index.ts";
import type { ContainerPlace } from "./place.ts";
import type { ContainerSpec } from "./types.ts";

/** A plan and what undoes it. */
export interface ContainerPlan {
  readonly plan: readonly Op[];
  readonly cleanup: readonly Op[];
}

/** A container's network as parts of its plan. */
export interface ContainerNetwork {
  readonly sandbox: SandboxNetwork;
  /** Host operations that come first, and those of its clean-up. */
  readonly before: readonly HostOp[];
  readonly after: readonly HostOp[];
}

/** A network namespace with nothing but loopback. */
export const ALONE: ContainerNetwork = { sandbox: "none", before: [], after: [] };

/** The sandbox of a container, for `sandboxStage`. */
export function sandboxOf(
  spec: ContainerSpec,
  place: ContainerPlace,
  cgroups: Cgroups,
  network: ContainerNetwork = ALONE,
): SandboxOptions {
  return {
    id: place.id,
    cgroups,
    limits: spec.limits,
    lowers: lowersOf(spec),
    upper: place.upper,
    work: place.work,
    lean: spec.lean,
    hostname: spec.hostname || place.id.slice(0, 12),
    network: network.sandbox,
    binds: spec.binds,
    ids: spec.userns?.ids,
    isolation: spec.isolation,
    hooks: spec.hooks,
    cwd: spec.cwd,
  };
}

/** The seccomp filter of a container; undefined: none. @throws ThawError INVALID when its profile is wrong. */
export async function filterOf(spec: ContainerSpec, filters: SeccompFilters): Promise<SeccompFilter | undefined> {
  const usual = spec.isolation?.privileged ? "unconfined" : "default";
  return filters.of(spec.security?.seccomp ?? usual, chosenCapabilities(spec.isolation ?? {}));
}

/** The plan of a plain start. @throws ThawError INVALID when the user is not in the image or its user namespace. */
export function startOf(
  spec: ContainerSpec,
  place: ContainerPlace,
  cgroups: Cgroups,
  filter: SeccompFilter | undefined,
  network: ContainerNetwork = ALONE,
): ContainerPlan {
  // Again: the machine may have changed since it was made, or it never was (a service that is never checkpointed).
  cgroups.check(spec.limits);
  const sandbox = sandboxOf(spec, place, cgroups, network);
  const program = programOf(spec, place, filter);
  const plan = spec.init ? startPlan(sandbox, program) : startPlanWithoutInit(sandbox, program);
  const cleanup = cleanupPlan(cgroups, place.id, spec);
  return { plan: [...network.before, ...plan], cleanup: [...network.after, ...cleanup] };
}

/** The request that runs a container's plan. */
export function runOf(spec: ContainerSpec, place: ContainerPlace, { plan, cleanup }: ContainerPlan): RunMessage {
  return { kind: "run", id: place.id, sandbox: "", stdio: stdioOf(spec), log: place.log, plan, cleanup };
}

/** Where its standard streams go. */
export function stdioOf(spec: Pick<ContainerSpec, "tty" | "openStdin">): Stdio {
  if (spec.tty) return Stdio.tty;
  return spec.openStdin ? Stdio.pipesStdin : Stdio.pipes;
}

/** The lower directories of its root, top first. */
export function lowersOf(spec: ContainerSpec): readonly string[] {
  if (spec.lowers.length > 0 || spec.rootfs === undefined) return spec.lowers;
  return [spec.rootfs];
}

/** A container that ran before may have changed its own /etc/passwd: its upper is looked at first. */
function programOf(spec: ContainerSpec, place: ContainerPlace, filter: SeccompFilter | undefined): ProgramOptions {
  const user = lookupUser(spec.user, [place.upper, ...lowersOf(spec)], spec.isolation?.groupAdd);
  for (const id of [user.uid, user.gid, ...user.groups]) hostId(id, spec.userns?.ids);
  return { argv: spec.argv, env: spec.env, cwd: spec.cwd, user, tty: spec.tty, filter };
}
