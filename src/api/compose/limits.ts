/**
 * Limits in a compose file: the service's own keys, and `deploy.resources`, which says some of the same. Both may be
 * there as long as they agree.
 */
import { z } from "zod";
import { parseSize } from "../texts.ts";
import { textOf } from "./text.ts";

const sizeSchema = textOf("a size such as 512m or 1.5g", parseSize);
/** -1: as much as there is. */
const swapSchema = textOf("a size such as 1g, or -1", (text) => (text === "-1" ? -1 : parseSize(text)));
const cpusSchema = textOf("a number of CPUs such as 0.5", (text) => {
  const cpus = Number(text);
  return cpus >= 0.01 ? Math.round(cpus * 1e9) : undefined;
});
const microsecondsSchema = textOf("microseconds, or a duration such as 50ms", (text) => {
  const match = /^(-1|\d{1,9})$|^(\d{1,6})(us|ms|s)$/.exec(text);
  if (!match) return undefined;
  const [, plain, amount, unit] = match;
  return plain === undefined ? Number(amount) * (unit === "s" ? 1e6 : unit === "ms" ? 1000 : 1) : Number(plain);
});
const pidsSchema = z.int().min(-1);

/** Keys of a service. */
export const limitKeys = {
  mem_limit: sizeSchema.optional(),
  memswap_limit: swapSchema.optional(),
  mem_reservation: sizeSchema.optional(),
  cpus: cpusSchema.optional(),
  cpu_period: microsecondsSchema.optional(),
  cpu_quota: microsecondsSchema.optional(),
  cpu_shares: textOf("a whole number", wholeNumber).optional(),
  cpuset: z.string().optional(),
  pids_limit: pidsSchema.optional(),
  deploy: z
    .strictObject({
      resources: z
        .strictObject({
          limits: z.strictObject({ cpus: cpusSchema, memory: sizeSchema, pids: pidsSchema }).partial().optional(),
          reservations: z.strictObject({ memory: sizeSchema.optional() }).optional(),
        })
        .optional(),
    })
    .optional(),
} as const;

const limitsSchema = z.object(limitKeys);
type LimitKeys = z.output<typeof limitsSchema>;

/** Keys of a compose file below `deploy`, known and not done yet. */
export const DEPLOY_KEYS: Readonly<
  Record<string, { readonly known: readonly string[]; readonly notYet: readonly string[] }>
> = {
  deploy: {
    known: ["resources"],
    notYet: "endpoint_mode labels mode placement replicas restart_policy rollback_config update_config".split(" "),
  },
  "deploy.resources": { known: ["limits", "reservations"], notYet: [] },
  "deploy.resources.limits": { known: ["cpus", "memory", "pids"], notYet: [] },
  "deploy.resources.reservations": { known: ["memory"], notYet: ["cpus", "devices", "generic_resources"] },
};

/** The first two keys that say different things, or undefined. */
export function contradiction(keys: LimitKeys): readonly [key: string, other: string] | undefined {
  const { limits, reservations } = keys.deploy?.resources ?? {};
  const pairs = [
    ["mem_limit", keys.mem_limit, "deploy.resources.limits.memory", limits?.memory],
    ["cpus", keys.cpus, "deploy.resources.limits.cpus", limits?.cpus],
    ["pids_limit", keys.pids_limit, "deploy.resources.limits.pids", limits?.pids],
    ["mem_reservation", keys.mem_reservation, "deploy.resources.reservations.memory", reservations?.memory],
  ] as const;
  const differs = pairs.find(([, own, , other]) => own !== undefined && other !== undefined && own !== other);
  return differs && [differs[0], differs[2]];
}

/** The limits of a service, in the words of the service API; only what was asked for. */
export function serviceLimits(keys: LimitKeys) {
  const { limits, reservations } = keys.deploy?.resources ?? {};
  const pids = keys.pids_limit ?? limits?.pids;
  return {
    ...some("memory", keys.mem_limit ?? limits?.memory),
    ...some("nanoCpus", keys.cpus ?? limits?.cpus),
    ...some("pids", pids === undefined || pids <= 0 ? undefined : pids),
    ...some("memorySwap", keys.memswap_limit || undefined),
    ...some("memoryReservation", keys.mem_reservation ?? reservations?.memory),
    ...some("cpuPeriod", keys.cpu_period || undefined),
    ...some("cpuQuota", keys.cpu_quota || undefined),
    ...some("cpuShares", keys.cpu_shares || undefined),
    ...some("cpusetCpus", keys.cpuset || undefined),
  };
}

function some<K extends string, V>(key: K, value: V | undefined): { readonly [key in K]?: V } {
  // A computed key is only known to be a string.
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: V });
}

function wholeNumber(text: string): number | undefined {
  return /^\d{1,9}$/.test(text) ? Number(text) : undefined;
}
