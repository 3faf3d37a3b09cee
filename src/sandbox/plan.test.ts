import { expect, test } from "bun:test";
import { decodePlan, encodePlan, LIMITS, type Op, Role } from "../launcher/generated/protocol.ts";
import { capabilityBits, DEFAULT_CAPABILITIES } from "./capabilities.ts";
import { Cgroups } from "./cgroups/index.ts";
import { containerEnv } from "./environment.ts";
import { leanPlan } from "./lean.ts";
import { cleanupPlan, type SandboxOptions, sandboxStage, startPlan, startPlanWithoutInit } from "./plan.ts";

const layout = {
  version: 2,
  hierarchies: [{ mount: "/sys/fs/cgroup", controllers: ["memory"] }],
  swapLimit: true,
} as const;
const cgroups = new Cgroups(layout, "/run/thaw");
const sandbox: SandboxOptions = {
  id: "abc",
  cgroups,
  limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
  lowers: ["/layers/b", "/layers/a"],
  upper: "/c/upper",
  work: "/c/work",
  hostname: "box",
  network: "none",
  binds: [
    { source: "/host/deep", target: "/data/deep", readonly: false },
    { source: "/host/data", target: "/data", readonly: true },
  ],
};
const root = { uid: 0, gid: 0, groups: [], home: "/root" };
const program = {
  argv: ["sh", "-c", "true"],
  env: ["A=1"],
  cwd: "/app",
  user: root,
  tty: false,
  filter: { filter: new Uint8Array(8), flags: 0 },
};

function kinds(ops: readonly Op[]): string[] {
  return ops.map((op) => op.kind);
}

test("every plan survives its encoding and is within the bounds", () => {
  const plans = [
    startPlan(sandbox, program),
    startPlanWithoutInit(sandbox, program),
    startPlan({ ...sandbox, ids: { first: 4294901760, count: 65535 } }, program),
    leanPlan({ id: "abc", cgroups, root: "/rootfs" }),
    cleanupPlan(cgroups, "abc", { directories: ["/c"] }),
  ];
  for (const plan of plans) {
    expect(decodePlan(encodePlan(plan))).toEqual(plan);
    expect(plan.length).toBeLessThan(LIMITS.PLAN_OPS / 4);
  }
});

test("what is hidden and read-only is so before there is a root", () => {
  const order = kinds(sandboxStage(sandbox));
  expect(order.lastIndexOf("mount")).toBeLessThan(order.indexOf("mask"));
  expect(order.lastIndexOf("mask")).toBeLessThan(order.indexOf("root_overlay"));
  expect(order.lastIndexOf("from_tray")).toBeLessThan(order.indexOf("attach_tree"));
  expect(order.lastIndexOf("make_readonly")).toBeLessThan(order.indexOf("pivot"));
  expect(order.lastIndexOf("write_file")).toBeLessThan(order.indexOf("attach_tree"));
  expect(order.slice(-2)).toEqual(["ready", "hold"]);
});

test("binds go parents first", () => {
  const targets = sandboxStage(sandbox).flatMap((op) => (op.kind === "attach_tree" ? [op.target] : []));
  expect(targets).toEqual(["/data", "/data/deep"]);
});

test("the host's network is neither unshared nor touched", () => {
  const ops = sandboxStage({ ...sandbox, network: "host" });
  const holder = ops.find((op) => op.kind === "spawn");
  expect(holder?.kind === "spawn" && holder.namespaces & 0x40000000n).toBe(0n);
  expect(kinds(ops)).not.toContain("loopback_up");
});

test("with a user namespace the sandbox is built before it is entered", () => {
  const ids = { first: 1 << 20, count: 65536 };
  const ops = sandboxStage({ ...sandbox, ids });
  const order = kinds(ops);
  expect(order.indexOf("user_make")).toBe(order.indexOf("spawn") - 1);
  expect(order.indexOf("user_spaces")).toBeLessThan(order.indexOf("empty_mounts"));
  expect(order.slice(order.indexOf("pivot"))).toEqual([
    "pivot",
    "user_enter",
    "die_with_parent",
    "mark",
    "ready",
    "hold",
  ]);
  const devpts = ops.find((op) => op.kind === "mount" && op.fstype === "devpts");
  expect(devpts?.kind === "mount" && devpts.options).toContain(`gid=${ids.first + 5}`);
  const made = ops.flatMap((op) => (op.kind === "spawn" || op.kind === "user_make" ? [op.namespaces] : []));
  expect(made).toEqual([0x4c000000n, 0x20000000n]);
});

test("a restore can keep the files of /etc and choose the next pid", () => {
  const order = kinds(sandboxStage({ ...sandbox, keepEtc: true, lastPid: 20000 }));
  expect(order).not.toContain("write_file");
  expect(order.slice(-3)).toEqual(["last_pid", "ready", "hold"]);
});

test("the program gives up its rights in the order that works", () => {
  const order = kinds(startPlan(sandbox, program));
  const tail = order.slice(order.lastIndexOf("spawn"));
  expect(tail).toEqual([
    "spawn",
    "cgroup_join",
    "oom_score",
    "join",
    "session",
    "stdio_at",
    "umask",
    "working_dir",
    "no_new_privs",
    "seccomp",
    "capabilities",
    "user",
    "mark",
    "exec",
  ]);
});

test("only root holds capabilities", () => {
  const permitted = (uid: number) =>
    startPlan(sandbox, { ...program, user: { ...root, uid } }).find((op) => op.kind === "capabilities")?.permitted;
  expect(permitted(0)).toBe(capabilityBits(DEFAULT_CAPABILITIES));
  expect(permitted(0)).toBe(0xa80425fbn);
  expect(permitted(7)).toBe(0n);
});

test("without an init there is one process, the main one, that dies with the launcher", () => {
  const plan = startPlanWithoutInit(sandbox, program);
  const spawns = plan.filter((op) => op.kind === "spawn");
  expect(spawns.map(({ role }) => role)).toEqual([Role.main]);
  const order = kinds(plan);
  expect(order.indexOf("die_with_parent")).toBeGreaterThan(order.indexOf("user"));
});

test("the environment has what programs expect, the container's own first", () => {
  const base = { home: "/root", hostname: "box", tty: true };
  expect(containerEnv({ ...base, env: [] })).toEqual([
    expect.stringContaining("PATH=/usr/local/sbin:"),
    "HOSTNAME=box",
    "HOME=/root",
    "TERM=xterm",
  ]);
  const own = containerEnv({ ...base, env: ["HOME=/h", "A=1", "A=2=3", "=x", "bad", "EMPTY="] });
  expect(own.slice(1)).toEqual(["HOSTNAME=box", "HOME=/h", "TERM=xterm", "A=2=3", "EMPTY="]);
});
