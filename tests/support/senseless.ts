/**
 * Plans that are well-formed and make no sense: operations in a wrong order, paths that lead nowhere or out, flags and
 * numbers that nobody defined, texts that are too long. For the caged launcher only.
 */
import fc from "fast-check";
import { type HostOp, type Op, opNames } from "../../src/launcher/generated/protocol.ts";
import { anyOp, type FieldChoice, isHostOp, text } from "./arbitraries.ts";

const LONG_NAME = 300;
const LONG_PATH = 5000;
/** Each kind that there is, several together, none, and what is none. */
const NAMESPACES = [0n, 0x2c020000n, 0x2c020000n, 0x6c020000n, 0x20000n, 0x2c000000n, 0x80n, 2n ** 64n - 1n];

const LONG_CGROUP = `/cg/${"n".repeat(LONG_NAME)}`;

/** What host operations may make and remove: CLEANUP removes it again. */
const cgroup = fc.constantFrom("/cg/a", "/cg/a/", "/cg/b", "/cg/no/no", LONG_CGROUP, "/proc/self/none");
const directory = fc.oneof(
  fc.constantFrom("/tmp/a", "/tmp/a/b", "/tmp/a/../a", `/tmp/${"n".repeat(LONG_NAME)}`, "/proc/self/none"),
  fc.constant(`/tmp/${"p/".repeat(LONG_PATH / 2)}`),
);
const insidePath = fc.oneof(
  fc.constantFrom("", "/", ".", "..", "/..", "/../../tmp", "/tmp", "/tmp/a", "/bin/thaw-launcher", "/proc/self/fd/0"),
  fc.constantFrom(
    "/proc/1/root",
    "/dev/null",
    "/dev/null/x",
    "/cg",
    "tmp/x",
    `/${"n".repeat(LONG_NAME)}`,
    "/x/../../y",
  ),
  fc.constant("/p".repeat(LONG_PATH / 2)),
  text.map((value) => `/tmp/${value.replaceAll("/", "-")}`),
);
const program = fc.constantFrom(
  "/bin/thaw-launcher",
  "thaw-launcher",
  "/nothing",
  "",
  "/tmp",
  "/proc/self/exe",
  "/dev/null",
);

/** Keeps senseless values within what the cage can take: nothing removes the cage itself. */
export const senseless: FieldChoice = (kind, field, type) => {
  if (kind === "shutdown") return fc.constant(0);
  if (type === "str" && isHostOp(kind)) return kind.startsWith("cgroup_") ? cgroup : directory;
  if (kind === "exec" && field === "path") return program;
  if (kind === "mount" && field === "fstype")
    return fc.constantFrom("tmpfs", "proc", "sysfs", "overlay", "", "nothing");
  if (kind === "hostname") return fc.oneof(text, fc.constant("h".repeat(LONG_NAME)));
  if (type === "str" && (field === "path" || field === "target" || field === "source")) return insidePath;
  if (type === "str" && (field === "upper" || field === "work"))
    return fc.constantFrom("", "/tmp/a", "/tmp/a/b", "/none");
  if (type === "strs")
    return fc.oneof(fc.array(insidePath, { maxLength: 4 }), fc.constant(Array<string>(LONG_PATH).fill("1")));
  if (kind === "spawn" && field === "namespaces")
    return fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...NAMESPACES) },
      { weight: 1, arbitrary: fc.bigInt(0n, 2n ** 64n - 1n) },
    );
  if (kind === "spawn") return fc.oneof({ weight: 9, arbitrary: fc.nat(3) }, { weight: 1, arbitrary: fc.nat(255) });
  return undefined;
};

const hostOps = anyOp(senseless, (kind) => isHostOp(kind) && kind !== "spawn");
const spawn = anyOp(senseless, (kind) => kind === "spawn");
const childOps = anyOp(senseless, (kind) => !isHostOp(kind));

/** How a process may begin, so that what comes after is more than the first thing that fails. */
const beginning: fc.Arbitrary<readonly Op[]> = fc.constantFrom<readonly Op[]>(
  [],
  [{ kind: "mounts_private" }],
  [{ kind: "mounts_private" }, { kind: "root_bind", path: "/tmp", readonly: 0 }],
  [{ kind: "root_bind", path: "/tmp", readonly: 1 }, { kind: "pivot" }],
  [{ kind: "ready" }],
  [{ kind: "ready" }, { kind: "hold" }],
  [{ kind: "hold" }],
);

const part = fc
  .tuple(fc.array(hostOps, { maxLength: 1 }), spawn, beginning, fc.array(childOps, { maxLength: 4 }))
  .map(([host, one, begin, child]): Op[] => [...host, one, ...begin, ...child]);

/** Mostly in an order that passes the check of a whole plan, so that operations are performed. */
export const senselessPlan: fc.Arbitrary<Op[]> = fc.oneof(
  { weight: 8, arbitrary: fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => parts.flat()) },
  { weight: 1, arbitrary: fc.array(hostOps, { maxLength: 4 }) },
  { weight: 1, arbitrary: fc.array(anyOp(senseless), { maxLength: 6 }) },
);

/** Removes what the plans above can make. */
export const CLEANUP: readonly HostOp[] = [
  ...["/cg/a", "/cg/b", LONG_CGROUP].map((path): HostOp => ({ kind: "cgroup_remove", path })),
  { kind: "remove_tree", path: "/tmp/a" },
];

/** The kind of an operation's code. */
export const kindOf = (code: number): string => opNames[code] ?? "?";
