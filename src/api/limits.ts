/**
 * Limits on the wire: the fields of Docker's HostConfig and of its `POST /containers/{id}/update`, which are the same.
 */
import { z } from "zod";
import { pathSchema } from "./values.ts";

const countSchema = z.int().min(0).nullish();
/** -1 takes a limit away. */
const orNoneSchema = z.int().min(-1).nullish();
const listSchema = z
  .string()
  .regex(/^[0-9,\s-]*$/, { error: 'expected numbers and ranges such as "0-2,4"' })
  .nullish();
const ratesSchema = z.array(z.strictObject({ Path: pathSchema, Rate: z.int().min(1) })).nullish();

/** A refusal that says why, where "not yet" would be wrong. */
function never(reason: string, ...nothing: readonly unknown[]) {
  return z
    .unknown()
    .refine((value) => value === undefined || value === null || value === false || nothing.includes(value), {
      error: reason,
      params: { unsupported: true },
    })
    .optional();
}

/** Fields that can be changed while a container runs. */
export const limitFields = {
  Memory: countSchema,
  MemorySwap: orNoneSchema,
  MemoryReservation: countSchema,
  NanoCpus: countSchema,
  CpuPeriod: countSchema,
  CpuQuota: orNoneSchema,
  CpuShares: countSchema,
  CpusetCpus: listSchema,
  CpusetMems: listSchema,
  PidsLimit: orNoneSchema,
  BlkioWeight: countSchema,
  OomKillDisable: never(
    "a container that is out of memory and is not ended hangs for ever, so thaw has no such switch: expected false",
  ),
  KernelMemory: never("the kernel no longer has a limit of its own for this: expected nothing", 0),
} as const;

/** Fields that are given when a container is made. */
export const deviceRateFields = {
  BlkioDeviceReadBps: ratesSchema,
  BlkioDeviceWriteBps: ratesSchema,
  BlkioDeviceReadIOps: ratesSchema,
  BlkioDeviceWriteIOps: ratesSchema,
} as const;

const limitsSchema = z.object({ ...limitFields, ...deviceRateFields });
/** What a request says of limits. */
export type LimitsRequest = z.output<typeof limitsSchema>;
/** What a client writes. */
export type LimitsInput = z.input<typeof limitsSchema>;

/** Answer to POST /containers/{id}/update. */
export interface UpdateResponse {
  readonly Warnings: readonly string[];
}
