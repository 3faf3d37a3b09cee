/**
 * The one way from outside data to typed data: a zod schema, and when it does not fit, an INVALID error that
 * names the field, says what came and what was expected.
 */
import { z } from "zod";
import { ThawError } from "../common/errors.ts";
import { shorten, show } from "../common/show.ts";

/** Characters of a field's path; clients name fields, too. */
const LONGEST_FIELD = 200;

/**
 * `value` as `schema` sees it.
 * @param what  what the value is, for the message: "the request's body".
 * @throws ThawError INVALID, or UNSUPPORTED for what a schema marked so (see `unsupported`).
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, what: string): z.output<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = clearestIssue(result.error.issues);
  if (issue === undefined) throw new ThawError("INVALID", `${what} is malformed`);
  const field = issue.path.length === 0 ? what : shorten(issue.path.join("."), LONGEST_FIELD);
  const code = issue.code === "custom" && issue.params?.unsupported === true ? "UNSUPPORTED" : "INVALID";
  throw new ThawError(code, `${field}: ${describeIssue(issue, valueAt(value, issue.path))}`, {
    hint: code === "UNSUPPORTED" ? `Leave ${field} out.` : `Correct ${field} in ${what}.`,
  });
}

/**
 * The issue to tell about. That of a union is its clearest alternative's: one that looked inside the value, or
 * knows more than "another type"; when all only know that, it names all types.
 */
export function clearestIssue(issues: readonly z.core.$ZodIssue[]): z.core.$ZodIssue | undefined {
  // A mistyped key is also a missing one; the typo is what there is to see.
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0];
  if (issue?.code !== "invalid_union") return issue;
  const inner = issue.errors.flatMap((alternative) => clearestIssue(alternative) ?? []);
  const best = inner.findLast((one) => one.path.length > 0 || one.code !== "invalid_type");
  if (best !== undefined) return { ...best, path: [...issue.path, ...best.path] };
  const types = inner.flatMap((one) => (one.code === "invalid_type" ? [one.expected] : []));
  return {
    code: "custom",
    path: issue.path,
    message: `expected ${[...new Set(types)].join(" or ")}`,
    input: issue.input,
  };
}

/** One sentence: what was expected, and what came. */
export function describeIssue(issue: z.core.$ZodIssue, got: unknown): string {
  switch (issue.code) {
    case "unrecognized_keys":
      return `unknown ${issue.keys.length === 1 ? "field" : "fields"} ${shorten(issue.keys.join(", "), LONGEST_FIELD)}`;
    case "invalid_type":
      return `expected ${issue.expected}, got ${show(got)}`;
    case "invalid_value":
      return `expected ${issue.values.map(show).join(" or ")}, got ${show(got)}`;
    case "too_small":
      return `expected at least ${issue.minimum}, got ${show(got)}`;
    case "too_big":
      return `expected at most ${issue.maximum}, got ${show(got)}`;
    case "invalid_key":
      return `bad name: ${lowerFirst(issue.issues[0]?.message ?? "malformed")}`;
    case "custom":
      return `${issue.message}, got ${show(got)}`;
    default:
      return `${lowerFirst(issue.message)}, got ${show(got)}`;
  }
}

/** What lies at a path of a nested value, or undefined. */
export function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let at = value;
  for (const key of path) {
    if (typeof at !== "object" || at === null) return undefined;
    at = Reflect.get(at, key);
  }
  return at;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/**
 * A field that Docker's clients send and thaw has no use for: fine while it holds nothing (null, false, 0, "",
 * an empty list or map, or one of `also`), refused as UNSUPPORTED when it asks for something.
 */
export function unsupported(...also: readonly unknown[]) {
  return z
    .unknown()
    .refine((value) => asksForNothing(value) || also.includes(value), {
      error: "thaw does not do this yet: expected nothing",
      params: { unsupported: true },
    })
    .optional();
}

function asksForNothing(value: unknown): boolean {
  if (Array.isArray(value)) return value.every(asksForNothing);
  if (typeof value === "object" && value !== null) return Object.values(value).every(asksForNothing);
  return value === undefined || value === null || value === false || value === 0 || value === "";
}
