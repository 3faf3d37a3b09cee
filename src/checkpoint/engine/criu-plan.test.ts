import { describe, expect, test } from "bun:test";
import { decodePlan, type ExecOp, encodePlan, type Op, Role, Wait } from "../../launcher/generated/protocol.ts";
import { dumpPlan, FIRST_PID_OF_CRIU, restorePlan, type StreamPipes } from "./criu-plan.ts";

const program = {
  version: "4.2.1",
  binaryDir: "/c/bin",
  binaryName: "criu",
  libraryDir: "/c/lib",
  loaderName: "ld-linux.so.2",
};
const kept = { connections: "close", terminal: undefined } as const;
const run = { program, imagesDir: "/k/images", outputFile: "/k/criu.log", verbosity: 0, ...kept };
const sandbox: Op[] = [
  { kind: "cgroup_make", path: "/cg" },
  { kind: "spawn", role: Role.holder, wait: Wait.ready, namespaces: 1n, join: 0 },
  { kind: "pivot" },
  { kind: "ready" },
  { kind: "hold" },
];
const pipes = { stdin: undefined, stdout: "pipe:[1]", stderr: "pipe:[2]" };
const kinds = (plan: readonly Op[]) => plan.map((op) => op.kind);

function execOf(plan: readonly Op[]): ExecOp {
  const found = plan.find((op) => op.kind === "exec");
  if (found?.kind !== "exec") throw new Error("no exec in the plan");
  return found;
}

describe("a restore by CRIU", () => {
  const plan = restorePlan({ ...run, ahead: false, sandbox, pidInside: 2, pipes });

  test("makes the sandbox, keeps CRIU's pids away, restores and adopts", () => {
    const expected =
      "cgroup_make spawn pivot last_pid ready hold spawn cgroup_join open_at open_at open_at output_to open_at";
    expect(kinds(plan).join(" ")).toBe(`${expected} join session stdio_at mark exec adopt`);
    expect(plan).toContainEqual({ kind: "last_pid", pid: FIRST_PID_OF_CRIU });
    expect(plan.at(-1)).toEqual({ kind: "adopt", pidInside: 2 });
  });

  test("starts CRIU through descriptors and gives it the container's streams", () => {
    const { path, argv, env } = execOf(plan);
    expect(path).toBe("/proc/self/fd/5/ld-linux.so.2");
    expect(argv.slice(0, 5)).toEqual([path, "--library-path", "/proc/self/fd/5", "/proc/self/fd/7/criu", "restore"]);
    expect(argv.join(" ")).toContain("--inherit-fd fd[11]:pipe:[1] --inherit-fd fd[12]:pipe:[2]");
    expect(argv.join(" ")).toContain("--restore-sibling");
    expect(argv).toContain("--no-default-config");
    expect(env).toContain("CRIU_FAULT=130");
  });

  test("one pipe behind two streams is inherited once; files are not", () => {
    const inherits = (streams: StreamPipes) =>
      execOf(restorePlan({ ...run, ahead: false, sandbox, pidInside: 2, pipes: streams })).argv.filter(
        (arg) => arg === "--inherit-fd",
      );
    expect(inherits({ ...pipes, stderr: "pipe:[1]" })).toHaveLength(1);
    expect(inherits({ stdin: undefined, stdout: undefined, stderr: undefined })).toEqual([]);
  });

  test("a terminal takes the place of all streams; kept connections are asked for", () => {
    const { argv } = execOf(
      restorePlan({
        ...run,
        ahead: false,
        sandbox,
        pidInside: 2,
        pipes,
        terminal: "tty[8800:1c]",
        connections: "keep",
      }),
    );
    expect(argv.filter((arg) => arg.startsWith("fd["))).toEqual(["fd[10]:tty[8800:1c]"]);
    expect(argv).toContain("--tcp-established");
    expect(argv).not.toContain("--tcp-close");
  });

  test("survives the wire", () => {
    expect(decodePlan(encodePlan(plan))).toEqual(plan);
  });

  test("made ahead it reads its options from a pipe that has no end yet", () => {
    const ahead = restorePlan({ ...run, sandbox, pidInside: 2, pipes, ahead: true });
    expect(ahead).toContainEqual({ kind: "await_go", fd: 9 });
    expect(execOf(ahead).argv.join(" ")).toContain("--config /proc/self/fd/9");
    expect(kinds(plan)).not.toContain("await_go");
  });

  test("a sandbox that never says ready is a bug", () => {
    expect(() => restorePlan({ ...run, ahead: false, sandbox: [], pidInside: 2, pipes })).toThrow("without `ready`");
  });
});

describe("a dump by CRIU", () => {
  const plan = dumpPlan({ ...run, pidInside: 7, tree: [70] });

  test("is one helper inside the sandbox that succeeds", () => {
    expect(plan[0]).toEqual({ kind: "spawn", role: Role.helper, wait: Wait.success, namespaces: 0n, join: 1 });
    expect(kinds(plan).filter((kind) => kind === "spawn")).toHaveLength(1);
    expect(kinds(plan)).not.toContain("cgroup_join");
  });

  test("leaves the processes stopped, so that a failure later can still let them go on", () => {
    const { argv } = execOf(plan);
    expect(argv.join(" ")).toContain("dump -t 7 --leave-stopped");
    expect(argv).toContain("--file-locks");
    expect(argv).toContain("--tcp-close");
  });

  test("has CRIU load the library for other users' limits before anything else", () => {
    expect(plan).toContainEqual({ kind: "limits_library", fd: 13 });
    const { argv } = execOf(plan);
    const loader = argv.slice(1, argv.indexOf("dump"));
    expect(loader).toEqual([
      ...["--library-path", "/proc/self/fd/5"],
      ...["--preload", "/proc/self/fd/13"],
      "/proc/self/fd/7/criu",
    ]);
  });

  test("lets connections that are kept go on", () => {
    const keeping = dumpPlan({ ...run, pidInside: 7, tree: [70, 71], connections: "keep" });
    expect(keeping).toContainEqual({ kind: "repair_end", pids: ["70", "71"] });
    expect(kinds(plan)).not.toContain("repair_end");
  });

  test("says which terminal is not the container's own to restore", () => {
    const { argv } = execOf(dumpPlan({ ...run, pidInside: 7, tree: [70], terminal: "tty[8800:1c]" }));
    expect(argv.join(" ")).toContain("--external tty[8800:1c]");
  });
});
