/** From a dumped container to its checkpoint's manifest, and back. */

import { readSpec } from "../container/index.ts";
import type { Container, ContainerSpec } from "../container/types.ts";
import type { Dumped } from "./engine/dump.ts";
import type { MachineFacts } from "./facts.ts";
import type { CheckpointDraft, CheckpointManifest } from "./manifest.ts";

/** What the store has to know of a dump. */
export function draft(name: string, container: Container, facts: MachineFacts, dumped: Dumped): CheckpointDraft {
  const { spec } = container;
  return {
    name,
    image: spec.image ?? spec.rootfs ?? "",
    containerName: spec.name,
    layers: spec.lowers.toReversed(),
    container: { ...spec },
    facts,
    ...dumped,
    engine: "criu",
    reasons: [],
  };
}

/** The container that was dumped. */
export function specOf(manifest: Pick<CheckpointManifest, "container">): ContainerSpec {
  // `draft` wrote it out of a ContainerSpec into files that only root may write.
  return readSpec(manifest.container as unknown as ContainerSpec);
}
