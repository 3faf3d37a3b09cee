/** Sandboxes that are made and wired ahead, as containers in bridge networks take them. */
import type { NetworkAttachment, Networks } from "../network/index.ts";
import { type Cgroups, isOneOfAKind, type SandboxNetwork, type SandboxPool, sandboxPart } from "../sandbox/index.ts";
import type { ContainerPlace } from "./place.ts";
import { ALONE, sandboxOf } from "./plans.ts";
import type { Container, ContainerSpec } from "./types.ts";

/** Makes the sandbox of a plan without a network of its own wiring: what all of a shape have in common. */
const UNWIRED: SandboxNetwork = "none";

export interface AheadParts {
  readonly pool: SandboxPool;
  readonly networks: Networks;
  readonly cgroups: Cgroups;
}

/** Claims a wired sandbox for the container; its id, to be joined from, or undefined when there is none. */
export function claimAhead(parts: AheadParts, { spec }: Container, place: ContainerPlace): string | undefined {
  const { pool, networks, cgroups } = parts;
  const attachment = anyPlace(spec);
  const sandbox = sandboxOf(spec, place, cgroups, { ...ALONE, sandbox: UNWIRED });
  if (attachment === undefined || isOneOfAKind(sandbox)) return undefined;
  return pool.claim(sandboxPart(sandbox), networks.get(attachment.network).id);
}

/** The network of a container that is in one only, and takes any address there. */
function anyPlace({ network: { mode, attachments }, init }: ContainerSpec): NetworkAttachment | undefined {
  const [only, ...more] = attachments;
  if (mode !== "bridge" || only === undefined || more.length > 0 || !init) return undefined;
  return only.ip === undefined && only.ip6 === undefined && only.mac === undefined ? only : undefined;
}
