/** Filters in query strings: JSON in the two forms that Docker's clients send. */
import { z } from "zod";

/** Values of one filter. */
export const filterValuesSchema = z.union([
  z.array(z.string()),
  // The older form, which Docker's command line still sends: { "running": true }.
  z.record(z.string(), z.boolean()).transform((map) => Object.keys(map).filter((key) => map[key])),
]);
/** A text that is JSON. */
export const jsonText = z.string().transform((text, context) => {
  try {
    const value: unknown = JSON.parse(text || "{}");
    return value;
  } catch {
    context.addIssue({ code: "custom", message: "expected JSON" });
    return z.NEVER;
  }
});
