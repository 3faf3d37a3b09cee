/** What running containers use, in Docker's shapes: GET /containers/{id}/stats and /top, POST /containers/{id}/update. */
import { z } from "zod";
import { limitFields } from "./limits.ts";
import { unsupported } from "./validate.ts";

/** Body of POST /containers/{id}/update: the limits that change. */
export const updateSchema = z
  .object({
    ...limitFields,
    RestartPolicy: z
      .object({ Name: unsupported("no"), MaximumRetryCount: unsupported() })
      .partial()
      .nullish(),
  })
  .catchall(unsupported());

const onSchema = z.enum(["1", "0", "true", "false", "True", "False", ""]).default("1");
/** Query of GET /containers/{id}/stats. */
export const statsQuerySchema = z.object({
  stream: onSchema.transform((text) => !["0", "false"].includes(text.toLowerCase())),
  "one-shot": onSchema.default("0").transform((text) => ["1", "true"].includes(text.toLowerCase())),
});

/** Query of GET /containers/{id}/top. */
export const topQuerySchema = z.object({
  ps_args: z
    .string()
    .refine((text) => text === "" || text === "-ef", {
      error: "thaw shows one set of columns: expected -ef",
      params: { unsupported: true },
    })
    .optional(),
});

/** Answer to GET /containers/{id}/top. */
export interface TopResponse {
  readonly Titles: readonly string[];
  readonly Processes: readonly (readonly string[])[];
}

/** Nanoseconds. */
export interface CpuStats {
  readonly cpu_usage: {
    readonly total_usage: number;
    readonly usage_in_kernelmode: number;
    readonly usage_in_usermode: number;
  };
  /** Of all CPUs of the machine together. */
  readonly system_cpu_usage: number;
  readonly online_cpus: number;
  readonly throttling_data: {
    readonly periods: number;
    readonly throttled_periods: number;
    readonly throttled_time: number;
  };
}

export interface BlockEntry {
  readonly major: number;
  readonly minor: number;
  readonly op: string;
  readonly value: number;
}

export interface InterfaceStats {
  readonly rx_bytes: number;
  readonly rx_packets: number;
  readonly rx_errors: number;
  readonly rx_dropped: number;
  readonly tx_bytes: number;
  readonly tx_packets: number;
  readonly tx_errors: number;
  readonly tx_dropped: number;
}

/** One sample of GET /containers/{id}/stats. */
export interface StatsResponse {
  readonly id: string;
  /** As names are in Docker's API: with a slash before it. */
  readonly name: string;
  /** RFC 3339. */
  readonly read: string;
  /** When `precpu_stats` was read. */
  readonly preread: string;
  readonly num_procs: number;
  readonly pids_stats: { readonly current?: number; readonly limit?: number };
  readonly cpu_stats: CpuStats;
  readonly precpu_stats: CpuStats;
  readonly memory_stats: {
    readonly usage?: number;
    readonly max_usage?: number;
    readonly limit?: number;
    readonly failcnt?: number;
    readonly stats?: Readonly<Record<string, number>>;
  };
  readonly blkio_stats: {
    readonly io_service_bytes_recursive: readonly BlockEntry[];
    readonly io_serviced_recursive: readonly BlockEntry[];
  };
  readonly networks?: Readonly<Record<string, InterfaceStats>>;
}
