/**
 * thaw in a chroot: the root of the mount namespace is then not the launcher's own root, and a process that joins a
 * sandbox must still find itself in the container's root and nowhere else.
 */
import { expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../src/common/exec.ts";
import { encodePlan, type Op, Role, Wait } from "../src/launcher/generated/protocol.ts";
import { findLauncher } from "../src/launcher/index.ts";
import { Namespace } from "../src/sandbox/index.ts";
import { makeTinyRoot } from "./support/root.ts";

const PLAN: readonly Op[] = [
  { kind: "spawn", role: Role.holder, wait: Wait.ready, namespaces: Namespace.mount | Namespace.pid, join: 0 },
  { kind: "die_with_parent" },
  { kind: "mounts_private" },
  { kind: "root_bind", path: "/inner", readonly: 1 },
  { kind: "mount", fstype: "proc", target: "/proc", flags: 14n, options: "" },
  { kind: "pivot" },
  { kind: "ready" },
  { kind: "hold" },
  { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: 0n, join: 1 },
  { kind: "join" },
  { kind: "stdio_at", stdin: 0, stdout: 1, stderr: 2 },
  { kind: "working_dir", path: "/", create: 0 },
  {
    kind: "exec",
    path: "/bin/sh",
    argv: ["sh", "-c", "cat /which; cat /proc/self/mountinfo"],
    env: ["PATH=/bin:/usr/bin"],
  },
];

const IN_CHROOT = `
  mount --bind "$1" "$1" && cd "$1" && mkdir -p proc stage && mount -t proc proc proc && mount --rbind /dev dev &&
  exec chroot . /thaw-launcher run --plan-fd 3 --stage /stage 3<"$1/plan"`;

test("a process that joins a sandbox is in the container's root", async () => {
  const outer = mkdtempSync(join(tmpdir(), "thaw-test-"));
  try {
    makeTinyRoot(outer);
    makeTinyRoot(join(outer, "inner"));
    mkdirSync(join(outer, "dev"), { recursive: true });
    writeFileSync(join(outer, "which"), "outer\n");
    writeFileSync(join(outer, "inner", "which"), "inner\n");
    copyFileSync(findLauncher(), join(outer, "thaw-launcher"));
    writeFileSync(join(outer, "plan"), encodePlan(PLAN));
    const { exitCode, stdout, stderr } = await exec(["unshare", "-m", "sh", "-c", IN_CHROOT, "sh", outer]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const [which, ...mounts] = stdout.trim().split("\n");
    expect(which).toBe("inner");
    // Its root and /proc: nothing of the host is even hidden below.
    expect(mounts.map((line) => line.split(" ")[4])).toEqual(["/", "/proc"]);
  } finally {
    rmSync(outer, { recursive: true, force: true });
  }
});
