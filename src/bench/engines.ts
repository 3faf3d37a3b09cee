/** What the benchmarks of restores compare: engines, each with the place where a sleeping service's memory is. */
import { InvalidArgumentError } from "commander";
import type { CheckpointAnswer, ServiceAnswer } from "../api/thaw.ts";
import { asThawError, ThawError } from "../common/errors.ts";
import type { Row } from "./schema.ts";
import { summarize } from "./stats.ts";

/** `criu-packaged`: CRIU's own commands, without thaw. `criu-tuned`: thaw's CRIU engine. `thaw`: compiled plans. */
export type EngineName = "criu-packaged" | "criu-tuned" | "thaw";
/** `disk`: nothing resident but what the page cache has. `template`: the memory is. `parked`: an instance is, but for its threads. */
export type Tier = "disk" | "template" | "parked";

/** An engine with a tier. */
export interface Combination {
  readonly engine: EngineName;
  readonly tier: Tier;
}

/** All of them, the slowest first. */
export const COMBINATIONS: readonly Combination[] = [
  { engine: "criu-packaged", tier: "disk" },
  { engine: "criu-tuned", tier: "disk" },
  { engine: "criu-tuned", tier: "parked" },
  { engine: "thaw", tier: "disk" },
  { engine: "thaw", tier: "template" },
  { engine: "thaw", tier: "parked" },
];

/** Those that a daemon of thaw can be asked for. */
export const OF_DAEMON = COMBINATIONS.filter(({ engine }) => engine !== "criu-packaged");

/** `<engine>/<tier>`. */
export function nameOf({ engine, tier }: Combination): string {
  return `${engine}/${tier}`;
}

/** What a daemon calls the engine: the value of THAW_RESTORE_ENGINE, and of `engine` in its answers. */
export function daemonEngine(engine: EngineName): "criu" | "thaw" {
  return engine === "thaw" ? "thaw" : "criu";
}

/** The value of an option: names of combinations, or of engines for all their tiers. */
export function combinationsOption(among: readonly Combination[]): (text: string) => Combination[] {
  return (text) => {
    const words = text.split(",").map((word) => word.trim());
    const known = (word: string) => among.filter((one) => word === nameOf(one) || word === one.engine);
    const unknown = words.find((word) => known(word).length === 0);
    if (unknown === undefined) return among.filter((one) => words.some((word) => known(word).includes(one)));
    throw new InvalidArgumentError(`expected some of ${among.map(nameOf).join(", ")}, or an engine alone`);
  };
}

/** A row of what cannot be measured here, and why. */
export function missing(name: string, pace: string, reason: string): Row {
  return summarize(name, [], pace, reason);
}

/** Why a service is not what was wanted; undefined when it is. */
export function difference(service: ServiceAnswer, { engine, tier }: Combination): string | undefined {
  const wanted = daemonEngine(engine);
  const why = because(service.reasons);
  if (service.engine !== wanted) return `restored by ${service.engine}, not ${wanted}${why}`;
  const found = tierOf(service);
  return found === tier ? undefined : `asleep in tier ${found}, not ${tier}${why}`;
}

/** Why an engine cannot restore a checkpoint; undefined when it can. CRIU can restore whatever it has dumped. */
export function refusal({ engine, reasons }: CheckpointAnswer, wanted: EngineName): string | undefined {
  if (daemonEngine(wanted) === "criu" || engine === daemonEngine(wanted)) return undefined;
  return `thaw's own engine cannot restore it${because(reasons)}`;
}

function because(reasons: readonly string[]): string {
  return reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
}

/** The tier that an answer names. One that names none knows of one alone. */
export function tierOf(answer: object): string {
  return "tier" in answer && typeof answer.tier === "string" ? answer.tier : "disk";
}

/** Sends a request that names a tier. @throws ThawError INVALID when the daemon does not know it, and as `send` does. */
export async function inTier<T>(tier: Tier, send: (asked: { readonly tier?: Tier }) => Promise<T>): Promise<T> {
  try {
    return await send({ tier });
  } catch (error) {
    const { code, message } = asThawError(error);
    if (code !== "INVALID" || !message.includes("tier")) throw error;
    // A daemon that knows no tiers has the one on disk.
    if (tier !== "disk") throw new ThawError("INVALID", "this daemon knows no tier but disk");
    return send({});
  }
}
