/** Values of a compose file that are written as text or as a number. */
import { z } from "zod";

/** A text made a value, or an issue that says what was expected. */
export function textOf<T>(expected: string, convert: (text: string) => T | undefined) {
  return z.union([z.string(), z.number()]).transform((given, context) => {
    const value = convert(String(given));
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: `expected ${expected}` });
    return z.NEVER;
  });
}
