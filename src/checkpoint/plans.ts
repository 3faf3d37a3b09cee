/** The parts of a restore that every engine shares: the sandbox it restores into, and what undoes it. */
import { join } from "node:path";
import { type ContainerNetwork, type ContainerPlace, sandboxOf } from "../container/index.ts";
import type { ContainerSpec } from "../container/types.ts";
import type { HostOp, Op } from "../launcher/generated/protocol.ts";
import { type Cgroups, cleanupPlan, sandboxStage } from "../sandbox/index.ts";
import type { CheckpointManifest } from "./manifest.ts";

/** Makes a sandbox whose lower layers have been a running container's before, and whose clocks go on from `clocks`. */
export function restoreSandbox(
  spec: ContainerSpec,
  place: ContainerPlace,
  cgroups: Cgroups,
  network: ContainerNetwork,
  clocks?: CheckpointManifest["clocks"],
): Op[] {
  // In a bridge network it has another address than it had, and its files have to say so.
  const keepEtc = typeof network.sandbox === "string";
  const sandbox = { ...sandboxOf(spec, place, cgroups, network), keepEtc, clocks: clocks && readingsOf(clocks) };
  return [...network.before, ...sandboxStage(sandbox)];
}

function readingsOf({ monotonicNs, boottimeNs }: NonNullable<CheckpointManifest["clocks"]>) {
  return { monotonicNs: BigInt(monotonicNs), boottimeNs: BigInt(boottimeNs) };
}

/** Undoes a sandbox; with `layer` "drop" the writable layer goes too. */
export function sandboxCleanup(
  spec: ContainerSpec,
  place: ContainerPlace,
  cgroups: Cgroups,
  layer: "keep" | "drop",
): HostOp[] {
  const directories = layer === "keep" ? [] : [place.upper, place.work];
  return cleanupPlan(cgroups, place.id, { directories, isolation: spec.isolation, limits: spec.limits });
}

/** The container with a checkpoint's writable layer on top of the layers it was made on. */
export function onTopOf(spec: ContainerSpec, upper: string): ContainerSpec {
  const below = spec.lowers.length > 0 || spec.rootfs === undefined ? spec.lowers : [spec.rootfs];
  return { ...spec, lowers: [upper, ...below] };
}

/** What an engine prints goes into the container's directory, which outlives a failed start of a service. */
export function engineOutput(place: ContainerPlace): string {
  return join(place.directory, "engine.log");
}
