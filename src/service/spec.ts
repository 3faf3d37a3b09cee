/**
 * A service's identity: its id, and a digest over everything that makes its checkpoint what it is.
 */
import { createHash } from "node:crypto";
import { ThawError } from "../common/errors.ts";
import { show } from "../common/show.ts";
import type { ServiceSpec } from "./types.ts";

/** `<project>-<name>`, or the one word when both are the same. */
export function serviceId(spec: Pick<ServiceSpec, "project" | "name">): string {
  return spec.project === spec.name ? spec.name : `${spec.project}-${spec.name}`;
}

/** Digest of a spec and the image it means: equal digests need no new checkpoint. */
export function specDigest(spec: ServiceSpec, imageId: string): string {
  return createHash("sha256").update(canonical({ spec, imageId })).digest("hex");
}

/**
 * Checks what types cannot say.
 * @throws ThawError INVALID.
 */
export function checkSpec(spec: ServiceSpec): void {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,49}$/.test(serviceId(spec))) {
    throw invalid(
      `expected a service name of up to 50 letters, digits and _.- , got ${JSON.stringify(serviceId(spec))}`,
    );
  }
  if (spec.ports.length === 0) {
    throw invalid(`the service ${serviceId(spec)} has no ports, expected at least one`, "Add `ports:` to the service.");
  }
  const addresses = spec.ports.map((port) => `${port.hostAddress}:${port.hostPort}`);
  const twice = addresses.find((address, index) => addresses.indexOf(address) !== index);
  if (twice !== undefined) throw invalid(`the service ${serviceId(spec)} names the address ${twice} twice`);
  if (spec.checkpoint.when === "log") pattern(spec.checkpoint.pattern);
}

/**
 * The regular expression of a `log` condition.
 * @throws ThawError INVALID when it is none.
 */
export function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (cause) {
    throw new ThawError("INVALID", `expected a regular expression for the log, got ${show(text)}`, { cause });
  }
}

function invalid(message: string, hint?: string): ThawError {
  return new ThawError("INVALID", message, hint === undefined ? {} : { hint });
}

/** JSON with sorted keys; undefined counts as absent. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const entries = Object.entries(value).filter(([, field]) => field !== undefined);
  entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(",")}}`;
}
