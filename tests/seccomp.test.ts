/**
 * The seccomp filter of containers against the profile it is made of: every call there is through an interpreter, and
 * one of each class in real containers.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runToEnd as runPlan } from "../src/launcher/index.ts";
import { cleanupPlan, DEFAULT_CAPABILITIES, lookupUser, SeccompFilters, startPlan } from "../src/sandbox/index.ts";
import defaultProfile from "../src/sandbox/seccomp/default.json" with { type: "json" };
import { ask, type Call } from "./support/bpf.ts";
import { makeProbe } from "./support/probe.ts";
import { closeWorld, openWorld, runToEnd, type World } from "./support/world.ts";

const EPERM = 1;
const ENOSYS = 38;
const ALLOW = 0x7fff0000;
const errno = (number: number) => 0x00050000 + number;
const X86_64 = 0xc000003e;
const I386 = 0x40000003;
const SYS_ADMIN = [...DEFAULT_CAPABILITIES, "SYS_ADMIN"];

/** System calls of an architecture by name, as the kernel's headers have them. */
function numbers(header: string): [name: string, number: number][] {
  const text = readFileSync(`/usr/include/x86_64-linux-gnu/asm/${header}`, "utf8");
  return [...text.matchAll(/#define __NR_(\w+) (\d+)/g)].map(([, name = "", number]) => [name, Number(number)]);
}

interface Rule {
  names: string[];
  action: string;
  args?: { index: number; value: number; op: string }[];
  includes?: { caps?: string[] };
  excludes?: { caps?: string[] };
}

/** The profile's rules about a call, for a container with or without CAP_SYS_ADMIN and no unusual capability else. */
function rulesOf(name: string, admin: boolean): Rule[] {
  const held = new Set((admin ? SYS_ADMIN : DEFAULT_CAPABILITIES).map((cap) => `CAP_${cap}`));
  // The types of a JSON module are one for each element.
  return (defaultProfile.syscalls as Rule[]).filter(
    ({ names, includes, excludes }) =>
      names.includes(name) &&
      (includes?.caps ?? []).every((cap) => held.has(cap)) &&
      !(excludes?.caps ?? []).some((cap) => held.has(cap)),
  );
}

describe("every call, asked of the filter", () => {
  const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  const filters = () => new SeccompFilters({ cache: directory });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test.each([false, true])("unconditional rules, with CAP_SYS_ADMIN: %p", async (admin) => {
    const filter =
      (await filters().of("default", admin ? SYS_ADMIN : DEFAULT_CAPABILITIES))?.filter ?? new Uint8Array();
    let asked = 0;
    for (const [arch, header] of [
      [X86_64, "unistd_64.h"],
      [I386, "unistd_32.h"],
    ] as const) {
      for (const [name, number] of numbers(header)) {
        const rules = rulesOf(name, admin);
        if (rules.some(({ args }) => args)) continue;
        const [rule] = rules;
        const expected = rule === undefined ? EPERM : rule.action === "SCMP_ACT_ERRNO" ? ENOSYS : 0;
        const answer = ask(filter, { arch, number });
        expect([name, answer]).toEqual([name, expected === 0 ? ALLOW : errno(expected)]);
        asked++;
      }
    }
    expect(asked).toBeGreaterThan(700);
  });

  test("conditions, gaps, what is newer, and other architectures", async () => {
    const filter = (await filters().of("default", DEFAULT_CAPABILITIES))?.filter ?? new Uint8Array();
    const answers = (calls: readonly Call[]) => calls.map((call) => ask(filter, call));
    const socket = (...families: bigint[]) => families.map((family) => ({ arch: X86_64, number: 41, args: [family] }));
    expect(answers(socket(1n, 2n, 16n, 17n, 39n, 44n))).toEqual(Array(6).fill(ALLOW));
    expect(answers(socket(38n, 40n, 46n, 0x1_0000_0001n, 0x1_0000_0028n))).toEqual(Array(5).fill(errno(EPERM)));
    const personality = (...values: bigint[]) => values.map((value) => ({ arch: X86_64, number: 135, args: [value] }));
    expect(answers(personality(0n, 8n, 0x20000n, 0x20008n, 0xffffffffn))).toEqual(Array(5).fill(ALLOW));
    expect(answers(personality(4n, 0x40000n, 0x400000n))).toEqual(Array(3).fill(errno(EPERM)));
    for (let bit = 0n; bit < 64n; bit++) {
      const namespace = ((0x7e020000n >> bit) & 1n) === 1n;
      const clone = { arch: X86_64, number: 56, args: [(1n << bit) | 17n] };
      expect([bit, ask(filter, clone)]).toEqual([bit, namespace ? errno(EPERM) : ALLOW]);
    }
    const beyond = [400, 470, 1023, 1024, 0x3fffffff].map((number) => ask(filter, { arch: X86_64, number }));
    expect(beyond).toEqual([errno(EPERM), ...Array(4).fill(errno(ENOSYS))]);
    expect(ask(filter, { arch: 0xc00000b7, number: 1 })).toBe(errno(ENOSYS));
  });

  test("a profile with another answer for every call", async () => {
    const calls = numbers("unistd_64.h").filter(([, number]) => number % 3 > 0);
    const syscalls = calls.map(([name, number]) => ({ name, action: "SCMP_ACT_ERRNO", errnoRet: 100 + number }));
    const profile = JSON.stringify({ defaultAction: "SCMP_ACT_LOG", archMap: defaultProfile.archMap, syscalls });
    const filter = (await filters().of({ profile }, []))?.filter ?? new Uint8Array();
    const named = new Map(calls);
    for (const [name, number] of numbers("unistd_64.h")) {
      const answer = named.has(name) ? errno(100 + number) : 0x7ffc0000;
      expect([name, ask(filter, { arch: X86_64, number })]).toEqual([name, answer]);
    }
    for (const [name, number] of numbers("unistd_32.h")) {
      const wide = named.get(name);
      // What can also be done through ipc and socketcall is asked of libseccomp's part.
      const answer = wide === undefined ? 0x7ffc0000 : errno(100 + wide);
      expect([name, ask(filter, { arch: I386, number })]).toEqual([name, answer]);
    }
  });

  test("a damaged file in the cache is made again", async () => {
    const made = await filters().of("default", DEFAULT_CAPABILITIES);
    const [name = ""] = readdirSync(join(directory, "seccomp"));
    const file = join(directory, "seccomp", name);
    const good = readFileSync(file);
    for (const damage of [good.subarray(0, good.length - 8), Buffer.alloc(0), Buffer.from(good.toReversed())]) {
      writeFileSync(file, damage);
      await filters().of("default", DEFAULT_CAPABILITIES);
      await filters().of("default", SYS_ADMIN);
    }
    expect(await filters().of("default", DEFAULT_CAPABILITIES)).toEqual(made);
    expect(readdirSync(join(directory, "seccomp")).every((entry) => entry.endsWith(".bpf"))).toBe(true);
  });
});

describe("real calls in real containers", () => {
  let world: World;
  beforeAll(async () => {
    world = await openWorld();
    await makeProbe(join(world.root, "bin/probe"));
  });
  afterAll(() => closeWorld(world));

  /** Call, errno in a default container, errno without a filter where that is another. */
  const CALLS: readonly (readonly [what: string, call: string, confined: number | string, free?: number])[] = [
    ["getpid", "64:39", 0],
    ["chroot, the capability is there", "64:161:0", 14],
    ["ptrace TRACEME", "64:101:0", 0],
    ["mseal, newer than libseccomp", "64:462:0:0:0", 0],
    ["cachestat of no file", "64:451:99999:0:0", 9],
    ["unshare of nothing", "64:272:0", EPERM, 0],
    ["unshare of a user namespace", "64:272:0x10000000", EPERM, 0],
    ["setns", "64:308:99999:0", EPERM, 9],
    ["keyctl", "64:250:9999", EPERM, 95],
    ["add_key", "64:248:0", EPERM, 14],
    ["userfaultfd", "64:323:0xff", EPERM, 22],
    ["open_tree", "64:428:99999:0:0", EPERM],
    ["move_pages", "64:279:0:1:0:0:0:0xff", EPERM, 22],
    ["io_uring_setup", "64:425:0:0", EPERM],
    ["io_uring_enter", "64:426:99999:0:0:0:0", EPERM, 9],
    ["io_uring_register", "64:427:99999:0:0:0", EPERM],
    ["clone", "64:56:17", 0],
    ["clone with a user namespace", "64:56:0x10000011", EPERM, 0],
    ["clone3", "64:435:0:0", ENOSYS, 22],
    ["personality, asked", "64:135:0xffffffff", 0],
    ["personality 32 bits", "64:135:8", 0],
    ["personality without randomized addresses", "64:135:0x40000", EPERM, 0],
    ["socket UNIX", "64:41:1:1:0", 0],
    ["socket ALG", "64:41:38:5:0", EPERM],
    ["socket VSOCK", "64:41:40:1:0", EPERM],
    ["socket VSOCK behind a high bit", "64:41:0x100000028:1:0", EPERM],
    ["no such call yet", "64:1000", ENOSYS],
    ["a gap among the numbers", "64:400", EPERM, ENOSYS],
    ["32-bit getpid", "32:20", 0],
    ["32-bit unshare", "32:310:0", EPERM, 0],
    ["32-bit clone with a user namespace", "32:120:0x10000011", EPERM, 0],
    ["32-bit clone3", "32:435:0:0", ENOSYS, 22],
    ["32-bit io_uring_enter", "32:426:99999", EPERM, 9],
    ["32-bit socket UNIX", "32:359:1:1:0", 0],
    ["32-bit socket VSOCK", "32:359:40:1:0", EPERM],
    ["32-bit keyctl", "32:288:9999", EPERM, 95],
    ["32-bit, no such call yet", "32:1000", ENOSYS],
  ];
  const probe = ["/bin/probe", ...CALLS.map(([, call]) => call)];
  const named = (stdout: string) =>
    stdout
      .trim()
      .split("\n")
      .map((line, index) => [CALLS[index]?.[0], line]);

  test("a default container", async () => {
    const { stdout } = await runToEnd(world, probe);
    expect(named(stdout)).toEqual(CALLS.map(([what, , confined]) => [what, String(confined)]));
  });

  test("it is the filter that makes the difference", async () => {
    const { stdout } = await runToEnd(world, probe, { security: { seccomp: "unconfined" } });
    const free = named(stdout);
    for (const [index, [what, , , without]] of CALLS.entries()) {
      if (without !== undefined) expect(free[index]).toEqual([what, String(without)]);
    }
  });

  test("a profile of the user's", async () => {
    const profile = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      architectures: ["SCMP_ARCH_X86_64"],
      syscalls: [
        { name: "getpgid", action: "SCMP_ACT_ERRNO", errnoRet: 77 },
        { names: ["getsid"], action: "SCMP_ACT_KILL_PROCESS", excludes: { caps: ["CAP_SYS_ADMIN"] } },
        { names: ["getppid"], action: "SCMP_ACT_ERRNO", includes: { caps: ["CAP_SYS_ADMIN"] } },
        { names: ["getuid"], action: "SCMP_ACT_ERRNO", includes: { minKernel: "99.0" } },
        {
          names: ["getpriority"],
          action: "SCMP_ACT_ERRNO",
          errno: "EBUSY",
          args: [
            { index: 0, value: 0, op: "SCMP_CMP_EQ" },
            { index: 1, value: 0x12345, op: "SCMP_CMP_EQ" },
          ],
        },
      ],
    });
    const calls = ["64:121:0", "64:124:0", "64:110", "64:102", "64:140:0:0x12345", "64:140:0:0", "32:20"];
    const { stdout } = await runToEnd(world, ["/bin/probe", ...calls], { security: { seccomp: { profile } } });
    expect(stdout.trim().split("\n")).toEqual(["77", "signal 31", "0", "0", "16", "0", "signal 31"]);
  });

  test("a wrong profile is refused with the place that is wrong", async () => {
    const profile = JSON.stringify({
      defaultAction: "SCMP_ACT_ALLOW",
      syscalls: [{ names: ["x y"], action: "SCMP_ACT_LOG" }],
    });
    const run = runToEnd(world, ["/bin/probe"], { security: { seccomp: { profile } } });
    await expect(run).rejects.toMatchObject({
      code: "INVALID",
      message: expect.stringContaining("syscalls.0.names.0"),
    });
  });

  test.each(["", "tester"])(
    "without no_new_privs the filter is there too, and no more rights (user %p)",
    async (user) => {
      const { cgroups, paths, root, launcher } = world;
      const id = `nnp${user}`;
      const filter = await new SeccompFilters(paths).of("default", DEFAULT_CAPABILITIES);
      const sandbox = {
        id,
        cgroups,
        limits: { memory: undefined, nanoCpus: undefined, pids: undefined },
        lowers: [root],
        upper: join(paths.containers, id, "upper"),
        work: join(paths.containers, id, "work"),
        hostname: "box",
        network: "none",
        binds: [{ source: join(root, "tmp"), target: "/out", readonly: false }],
      } as const;
      const argv = ["/bin/sh", "-c", "cat /proc/self/status >/out/status"];
      const program = { argv, env: [], cwd: "/", user: lookupUser(user, [root]), tty: false, filter };
      const plan = startPlan(sandbox, program).filter(({ kind }) => kind !== "no_new_privs");
      const cleanup = cleanupPlan(cgroups, id, { directories: [join(paths.containers, id)] });
      await runPlan(launcher, { kind: "run", id, sandbox: "", stdio: 0, log: "", plan, cleanup });
      const file = join(root, "tmp/status");
      const status = existsSync(file) ? readFileSync(file, "utf8") : "";
      rmSync(file, { force: true });
      const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, "m").exec(status)?.[1];
      expect([field("NoNewPrivs"), field("Seccomp")]).toEqual(["0", "2"]);
      const bounding = "00000000a80425fb";
      const held = user === "" ? bounding : "0000000000000000";
      expect(["CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"].map(field)).toEqual([
        held,
        held,
        bounding,
        "0000000000000000",
        "0000000000000000",
      ]);
    },
  );
});
