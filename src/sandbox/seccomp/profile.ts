/**
 * Seccomp profiles as users write them: the JSON of container engines, in Docker's shape (`archMap`, conditions by
 * capability and kernel, errnos by number), Podman's (errnos by name) and the OCI runtime's (`architectures`). The
 * whole file is checked, and what is not understood is refused: a misspelt field would leave a hole.
 */
import { constants } from "node:os";
import { z } from "zod";
import { ThawError } from "../../common/errors.ts";

/** More than any real profile; what is longer is refused before it is read. */
const LONGEST_PROFILE = 1 << 20;
const LARGEST_ERRNO = 4095;

/** What happens to a call, without the prefix SCMP_ACT_ and in the words of the launcher's rules. */
const ACTIONS = {
  SCMP_ACT_KILL: "kill_thread",
  SCMP_ACT_KILL_THREAD: "kill_thread",
  SCMP_ACT_KILL_PROCESS: "kill_process",
  SCMP_ACT_TRAP: "trap",
  SCMP_ACT_ERRNO: "errno",
  SCMP_ACT_TRACE: "trace",
  SCMP_ACT_LOG: "log",
  SCMP_ACT_ALLOW: "allow",
} as const;

const OPERATORS = {
  SCMP_CMP_NE: "ne",
  SCMP_CMP_LT: "lt",
  SCMP_CMP_LE: "le",
  SCMP_CMP_EQ: "eq",
  SCMP_CMP_GE: "ge",
  SCMP_CMP_GT: "gt",
  SCMP_CMP_MASKED_EQ: "masked_eq",
} as const;

/** SECCOMP_FILTER_FLAG_*. The first is about threads, and a program that is being started has one. */
const FLAGS = { SECCOMP_FILTER_FLAG_TSYNC: 0, SECCOMP_FILTER_FLAG_LOG: 2, SECCOMP_FILTER_FLAG_SPEC_ALLOW: 4 } as const;

const NO_NOTIFIER = "thaw has no one who listens: use another action";

function oneOf<T extends Readonly<Record<string, unknown>>>(table: T) {
  // The refinement makes it so.
  return z.custom<keyof T & string>((value) => typeof value === "string" && Object.hasOwn(table, value), {
    error: `expected ${Object.keys(table).join(", ")}`,
  });
}

const actionSchema = z
  .unknown()
  .refine((action) => action !== "SCMP_ACT_NOTIFY", { error: NO_NOTIFIER })
  .pipe(oneOf(ACTIONS).transform((name) => ACTIONS[name]));

const errnoNumber = z.int().min(0).max(LARGEST_ERRNO).nullish();
const errnoName = z
  .string()
  .refine((name) => name === "" || Object.hasOwn(constants.errno, name), { error: "expected the name of an errno" })
  .transform((name) => Object.entries(constants.errno).find(([known]) => known === name)?.[1])
  .nullish();

/** 0 to 2^64 - 1. The reader makes a bigint of what a number cannot hold. */
const wordSchema = z
  .union([z.int().min(0).transform(BigInt), z.bigint().max(0xffff_ffff_ffff_ffffn)])
  .nullish()
  .transform((value) => value ?? 0n);

const conditionSchema = z.strictObject({
  index: z.int().min(0).max(5),
  value: wordSchema,
  valueTwo: wordSchema,
  op: oneOf(OPERATORS).transform((name) => OPERATORS[name]),
});

const kernelSchema = z
  .string()
  .regex(/^\d{1,5}\.\d{1,5}$/, { error: "expected a kernel's version such as 4.8" })
  .transform((text) => text.split(".").map(Number))
  .nullish();

const whenSchema = z
  .strictObject({
    caps: z.array(z.string()).nullish(),
    arches: z.array(z.string()).nullish(),
    minKernel: kernelSchema,
  })
  .nullish();

const nameSchema = z.string().regex(/^[a-z0-9_]{1,64}$/, { error: "expected the name of a system call" });
const commentSchema = z.string().nullish();

const ruleSchema = z
  .strictObject({
    names: z.array(nameSchema).nullish(),
    name: nameSchema.or(z.literal("")).nullish(),
    action: actionSchema,
    errnoRet: errnoNumber,
    errno: errnoName,
    args: z.array(conditionSchema).nullish(),
    comment: commentSchema,
    includes: whenSchema,
    excludes: whenSchema,
  })
  .transform(({ name, names, ...rest }, context) => {
    if (name && names && names.length > 0) {
      context.addIssue({ code: "custom", message: "expected either name or names, got both" });
    }
    return { ...rest, names: names && names.length > 0 ? names : name ? [name] : [] };
  });

const archSchema = z
  .string()
  .regex(/^SCMP_ARCH_[A-Z0-9_]+$/, { error: "expected an architecture like SCMP_ARCH_X86_64" });

const profileSchema = z
  .strictObject({
    $schema: z.string().optional(),
    comment: commentSchema,
    defaultAction: actionSchema,
    defaultErrnoRet: errnoNumber,
    defaultErrno: errnoName,
    architectures: z.array(archSchema).nullish(),
    archMap: z
      .array(z.strictObject({ architecture: archSchema, subArchitectures: z.array(archSchema).nullish() }))
      .nullish(),
    flags: z.array(oneOf(FLAGS)).nullish(),
    listenerPath: z.literal("", { error: NO_NOTIFIER }).nullish(),
    listenerMetadata: z.literal("", { error: NO_NOTIFIER }).nullish(),
    syscalls: z.array(ruleSchema).nullish(),
  })
  .transform(({ flags, ...rest }, context) => {
    if ((rest.archMap ?? []).length > 0 && (rest.architectures ?? []).length > 0) {
      context.addIssue({ code: "custom", message: "expected either archMap or architectures, got both" });
    }
    return { ...rest, flags: (flags ?? []).reduce((bits, name) => bits | FLAGS[name], 0) };
  });

/** A checked profile. Its conditions (`includes`, `excludes`) are still in it. */
export type SeccompProfile = z.output<typeof profileSchema>;
export type SeccompRule = NonNullable<SeccompProfile["syscalls"]>[number];
export type SeccompWhen = SeccompRule["includes"];

/**
 * Reads the text of a profile.
 * @param what  whose text it is, for messages: "the seccomp profile".
 * @throws ThawError INVALID with the path of the first element that is wrong.
 */
export function readProfile(text: string, what = "the seccomp profile"): SeccompProfile {
  if (text.length > LONGEST_PROFILE) throw invalid(what, `expected at most ${LONGEST_PROFILE} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text, exactNumber);
  } catch (error) {
    throw invalid(what, `expected JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  return checkProfile(value, what);
}

/** The same with JSON that was parsed already. */
export function checkProfile(value: unknown, what = "the seccomp profile"): SeccompProfile {
  const result = profileSchema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join(".") ?? "";
  throw invalid(what, `${path === "" ? "" : `${path}: `}${issue === undefined ? "it is malformed" : message(issue)}`);
}

/** Masks are 64 bits wide; a number in JavaScript holds 53. */
function exactNumber(_: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || !/^\d+$/.test(context?.source ?? "")) return value;
  return BigInt(context?.source ?? "");
}

function message(issue: z.core.$ZodIssue): string {
  if (issue.code === "unrecognized_keys") return `unknown field ${issue.keys.join(", ")}`;
  return issue.message.charAt(0).toLowerCase() + issue.message.slice(1);
}

function invalid(what: string, problem: string): ThawError {
  return new ThawError("INVALID", `${what}: ${problem}`, {
    hint: "Profiles are JSON files as docker and podman take them with --security-opt seccomp=FILE.",
  });
}
