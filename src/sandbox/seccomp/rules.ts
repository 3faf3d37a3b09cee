/**
 * What a profile comes to for one container on this machine: its conditions are decided, and what is left is a flat
 * list of rules, one a line, as native/launcher/filter.c describes it.
 */
import { entryOf } from "../../common/table.ts";
import type { SeccompProfile, SeccompRule, SeccompWhen } from "./profile.ts";

/** What a profile's conditions are about. */
export interface SeccompSubject {
  /** The container's bounding set, with the prefix: "CAP_CHOWN". */
  readonly capabilities: ReadonlySet<string>;
  /** Major and minor version of the kernel. */
  readonly kernel: readonly [number, number];
}

/** As profiles call the only architecture that thaw runs on. */
const NATIVE = "SCMP_ARCH_X86_64";
const NATIVE_IN_CONDITIONS = "amd64";
const ARCHES: Readonly<Record<string, string>> = {
  SCMP_ARCH_X86_64: "x86_64",
  SCMP_ARCH_X86: "x86",
  SCMP_ARCH_X32: "x32",
};

const EPERM = 1;
const ENOSYS = 38;

/** Calls that are newer than the libseccomp of the oldest Debian that thaw is built on. */
const NEW_CALLS: Readonly<Record<string, number>> = {
  cachestat: 451,
  fchmodat2: 452,
  map_shadow_stack: 453,
  futex_wake: 454,
  futex_wait: 455,
  futex_requeue: 456,
  statmount: 457,
  listmount: 458,
  lsm_get_self_attr: 459,
  lsm_set_self_attr: 460,
  lsm_list_modules: 461,
  mseal: 462,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
  file_getattr: 468,
  file_setattr: 469,
};

/** The rules of a profile for a container. Equal lists mean equal filters. */
export function flatRules(profile: SeccompProfile, subject: SeccompSubject): string {
  const defaultErrno = profile.defaultErrnoRet ?? profile.defaultErrno;
  const otherwise = actionOf(profile.defaultAction, defaultErrno);
  const rules = profile.syscalls ?? [];
  const chosen = rules.filter(
    ({ includes, excludes }) => holds(includes, subject, true) && !holds(excludes, subject, false),
  );
  const lines = [
    `default ${otherwise}`,
    ...architectures(profile).map((name) => `arch ${name}`),
    ...beyond(profile, otherwise),
    ...rules.flatMap(({ names }) => names.map((name) => `known ${callOf(name)}`)),
    ...chosen.flatMap((rule) => ruleLines(rule, otherwise)),
  ];
  return `${[...new Set(lines)].join("\n")}\n`;
}

/** The answers to what the profile's author did not think of. */
function beyond({ defaultAction }: SeccompProfile, otherwise: string): string[] {
  const lenient = ["allow", "log", "trace"].includes(defaultAction);
  const refused = defaultAction === "errno" ? `errno ${ENOSYS}` : lenient ? "kill_process 0" : otherwise;
  // A call that came later than the profile does not exist for its programs, which then use an older one.
  return [`foreign ${refused}`, `newer ${lenient ? otherwise : `errno ${ENOSYS}`}`];
}

function architectures({ archMap, architectures: listed }: SeccompProfile): string[] {
  const mapped = (archMap ?? []).find(({ architecture }) => architecture === NATIVE);
  const names = listed && listed.length > 0 ? listed : [NATIVE, ...(mapped?.subArchitectures ?? [])];
  return [...new Set(names)].flatMap((name) => entryOf(ARCHES, name) ?? []);
}

/**
 * Whether a condition holds. Of an `includes` all has to be true, and nothing said is true; an `excludes` holds when
 * anything of it is true.
 */
function holds(when: SeccompWhen, { capabilities, kernel }: SeccompSubject, all: boolean): boolean {
  const { caps, arches, minKernel } = when ?? {};
  const [major = 0, minor = 0] = minKernel ?? [];
  const newEnough = kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
  const has = (name: string) => capabilities.has(name);
  const answers = [
    ...(caps && caps.length > 0 ? [all ? caps.every(has) : caps.some(has)] : []),
    ...(arches && arches.length > 0 ? [arches.includes(NATIVE_IN_CONDITIONS)] : []),
    ...(minKernel ? [newEnough] : []),
  ];
  return all ? answers.every(Boolean) : answers.some(Boolean);
}

/** Conditions about one argument are alternatives, and then each is a rule by itself; others hold together. */
function ruleLines(rule: SeccompRule, otherwise: string): string[] {
  const action = actionOf(rule.action, rule.errnoRet ?? rule.errno);
  // libseccomp refuses rules that say what the default says.
  if (action === otherwise) return [];
  const conditions = (rule.args ?? []).map(({ index, op, value, valueTwo }) => `${index} ${op} ${value} ${valueTwo}`);
  const indexes = new Set((rule.args ?? []).map(({ index }) => index));
  const alternatives = indexes.size < conditions.length ? conditions : [conditions.join(" ")];
  return rule.names.flatMap((name) =>
    alternatives.map((text) => `rule ${action} ${callOf(name)}${text === "" ? "" : ` ${text}`}`),
  );
}

function actionOf(action: SeccompRule["action"], errno: number | null | undefined): string {
  return `${action} ${action === "errno" || action === "trace" ? (errno ?? EPERM) : 0}`;
}

function callOf(name: string): string {
  const number = entryOf(NEW_CALLS, name);
  return number === undefined ? name : `${name}@${number}`;
}
