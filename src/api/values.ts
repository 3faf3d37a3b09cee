/**
 * Small values that people and clients write, each with one schema: names, sizes, ports, durations, paths.
 */
import { z } from "zod";

/** Names of containers, checkpoints, services and projects. */
export const nameSchema = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/, {
  error: "expected 1 to 63 letters, digits, '_', '.' or '-', beginning with a letter or digit",
});

/** An absolute path without NUL. */
export const pathSchema = z
  .string()
  .max(4096)
  .regex(/^\/[^\u0000]*$/, { error: "expected an absolute path" });

/** A TCP port that can be published. */
export const portSchema = z.int().min(1).max(65535);

/** A boolean in a query string: 1/0, true/false, or nothing for false. */
export const flagSchema = z
  .enum(["1", "0", "true", "false", "True", "False", ""])
  .default("0")
  .transform((text) => text === "1" || text.toLowerCase() === "true");

/** A whole number in a query string. */
export const countSchema = z
  .string()
  .regex(/^\d{1,15}$/, { error: "expected a whole number" })
  .transform(Number);
