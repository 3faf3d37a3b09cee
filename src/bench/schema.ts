/**
 * The JSON object that every benchmark gives: one shape for all of them, so that whoever draws or compares results
 * reads only this file. `format` is raised when a field changes its meaning or goes; new optional fields leave it.
 */
import { z } from "zod";

export const FORMAT = 1;

/** One row of a benchmark's table. All times in milliseconds. */
export const rowSchema = z.object({
  name: z.string(),
  /** How many were measured; 0: none, and `note` says why. */
  n: z.int().min(0),
  p50_ms: z.number(),
  p99_ms: z.number(),
  mean_ms: z.number(),
  min_ms: z.number(),
  max_ms: z.number(),
  /** How the runs were spaced: "back-to-back", "one every 20 ms", ... */
  pace: z.string(),
  /** What was timed, where it is not plain from the name; why there is no result when n is 0. */
  note: z.string().optional(),
  /** How many were done in a second, where that is the figure. */
  per_second: z.number().optional(),
  /** What the row varies, for programs: { figure: "mounts", mounts: 64, step: "make" }. */
  params: z.record(z.string(), z.union([z.string(), z.number()])).optional(),
});

export type Row = Readonly<z.output<typeof rowSchema>>;

/** Where the figures were measured: they mean little without it. */
export const machineSchema = z.object({
  kernel: z.string(),
  cpu: z.string(),
  cores: z.int(),
  memory_mb: z.int(),
  cgroups: z.enum(["v1", "v2", "hybrid"]),
});

export type Machine = Readonly<z.output<typeof machineSchema>>;

/** A benchmark's result. */
export const reportSchema = z.object({
  format: z.literal(FORMAT),
  bench: z.string(),
  /** Of thaw. */
  version: z.string(),
  machine: machineSchema,
  rows: z.array(rowSchema),
  /** What only this benchmark has. */
  extra: z.record(z.string(), z.unknown()).optional(),
});

export type Report = Readonly<z.output<typeof reportSchema>>;
