/**
 * Attacks from inside a container, through the command line: what a program may try (support/attacks.pl), the launcher's
 * own program, working directories through descriptors, users and names that are none.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { execOk } from "../src/common/exec.ts";
import { Target } from "./support/target.ts";
import { until } from "./support/world.ts";

const LAUNCHER = new URL("../dist/thaw-launcher", import.meta.url).pathname;

const target = new Target();
const { installed, tiny, perl, host } = target;
const run = target.run.bind(target);
const abstract = `thaw-test-${process.pid}`;
let server: Server;
let port = 0;

beforeAll(async () => {
  await target.prepare();
  server = createServer().listen(0, "127.0.0.1");
  await until(() => server.listening);
  const address = server.address();
  port = address !== null && typeof address === "object" ? address.port : 0;
});

afterAll(async () => {
  server.close();
  await target.close();
});

describe("a hostile program", () => {
  const disk = statSync("/").dev;
  const numbers = [((disk >> 8) & 0xfff).toString(), ((disk & 0xff) | ((disk >> 12) & 0xfff00)).toString()];

  test.each([
    [[]],
    [["-u", "1234:77"]],
    [["--no-init"]],
    [["--lean", "--network", "none"]],
    [["--userns", "auto"]],
    [["--security-opt", "no-new-privileges=false"]],
    [["--read-only", "--tmpfs", "/tmp"]],
  ])("gets nothing of what it tries (%p)", async (options) => {
    const listening = Bun.listen({ unix: `\0${abstract}`, socket: { data() {} } });
    try {
      const argv = ["/usr/bin/perl", "/attacks.pl", ...numbers, String(port), abstract];
      const { stdout, stderr, exitCode } = await run(options, perl, ...argv);
      const lines = stdout.trim().split("\n");
      expect(lines.filter((line) => !/^[^\t]*\trefused \d+$/.test(line))).toEqual(["done"]);
      expect([stderr, exitCode]).toEqual(["", 0]);
      expect(lines.length).toBeGreaterThan(120);
    } finally {
      listening.stop(true);
    }
  });

  test("a setuid program gives no rights while no_new_privs is on", async () => {
    const id = join(tiny, "bin/setuid-id");
    copyFileSync(join(tiny, "bin/id"), id);
    chmodSync(id, 0o4755);
    const euid = async (...options: string[]) =>
      (await run(["-u", "1234", ...options], tiny, "setuid-id", "-u")).stdout;
    expect(await euid()).toBe("1234\n");
    expect(await euid("--security-opt", "no-new-privileges=false")).toBe("0\n");
  });
});

test("--security-opt seccomp= takes a profile or none, tells what is wrong with one, and inspect shows it", async () => {
  const file = join(installed.directory, "profile.json");
  const profile = {
    defaultAction: "SCMP_ACT_ALLOW",
    syscalls: [{ name: "getpgid", action: "SCMP_ACT_ERRNO", errno: "EXDEV" }],
  };
  writeFileSync(file, JSON.stringify(profile));
  const calls = ["/bin/probe", "64:121:0", "64:272:0"];
  expect((await run(["--security-opt", `seccomp=${file}`], tiny, ...calls)).stdout).toBe("18\n0\n");
  expect((await run(["--security-opt", "seccomp=unconfined"], tiny, ...calls)).stdout).toBe("0\n0\n");
  expect((await run([], tiny, ...calls)).stdout).toBe("0\n1\n");
  expect((await run(["--cap-add", "SYS_ADMIN"], tiny, ...calls)).stdout).toBe("0\n0\n");
  const made = await installed.thaw("create", "--security-opt", `seccomp=${file}`, "--rootfs", tiny, "--", ...calls);
  const [details] = JSON.parse((await installed.thaw("inspect", made.stdout.trim())).stdout);
  expect(details.HostConfig.SecurityOpt).toEqual([`seccomp=${JSON.stringify(profile)}`]);
  await installed.thaw("rm", made.stdout.trim());
  writeFileSync(file, JSON.stringify({ ...profile, syscalls: [{ names: ["x"], action: "SCMP_ACT_NONE" }] }));
  const wrong = await run(["--security-opt", `seccomp=${file}`], tiny, ...calls);
  expect([wrong.exitCode, wrong.stderr]).toEqual([
    125,
    expect.stringContaining("syscalls.0.action: expected SCMP_ACT_"),
  ]);
});

describe("the launcher's own program", () => {
  const digest = () => createHash("sha256").update(readFileSync(LAUNCHER)).digest("hex");

  test("run from inside it is a sealed copy, which nobody can write", async () => {
    const before = digest();
    const link = join(tiny, "bin/itself");
    symlinkSync("/proc/self/exe", link);
    expect((await run([], tiny, "/bin/itself", "version")).stdout).toMatch(/^thaw-launcher protocol \d+\n$/);
    const script =
      'for pid in 1 $PPID; do (: >> /proc/$pid/exe) && echo "wrote $pid"; (: < /proc/$pid/exe) && echo "read $pid"; done';
    expect((await run([], tiny, "sh", "-c", script)).stdout).toBe("");
    const { stdout: id } = await installed.thaw("run", "-d", "--rootfs", tiny, "--", "sleep", "1000");
    // The launcher and the sandbox's init; fcntl 1034 is F_GET_SEALS, 15 all that there were then.
    const ours = installed.pids().filter((pid) => readFileSync(`/proc/${pid}/comm`, "utf8") !== "thaw\n");
    const copies = ours.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("launcher"));
    expect(copies.length).toBeGreaterThan(1);
    for (const pid of copies) {
      const seals = await execOk(["perl", "-e", `open(F, "<", "/proc/${pid}/exe"); print fcntl(F, 1034, 0)`]);
      expect(Number(seals) & 15).toBe(15);
    }
    await installed.thaw("rm", "-f", id.trim());
    expect(digest()).toBe(before);
  });
});

describe("working directories", () => {
  test("none leads out, and none is made outside", async () => {
    const through = ["/proc/self/cwd", "/proc/self/root", "/proc/1/root", "/proc/1/cwd"];
    const descriptors = Array.from({ length: 24 }, (_, fd) => `/proc/self/fd/${fd + 3}`);
    for (const path of [...through, ...descriptors]) {
      const wanted = join(host, "made").slice(1);
      const { exitCode, stdout } = await run(
        ["-w", `${path}/../../${wanted}`],
        tiny,
        "sh",
        "-c",
        "pwd; ls /proc/self/cwd/",
      );
      expect([path, exitCode === 0 && stdout.includes("secret")]).toEqual([path, false]);
      target.expectUntouched();
    }
    for (const path of ["/proc/self/fd/4", "/proc/self/fd/5/..", "/proc/self/cwd"]) {
      expect([path, (await run(["-w", path], tiny, "pwd")).stdout]).toEqual([path, ""]);
    }
  });
});

describe("users and names", () => {
  test.each([
    "-1",
    "4294967295",
    "4294967296",
    "99999999999999999999",
    "0x0",
    "1e3",
    "+0",
    " 0",
    "0 ",
    "root\n",
    "a\nb",
    "0:",
    ":0",
    "0:-1",
    "0:4294967295",
    "0:a\nb",
    "$(id)",
    "../root",
  ])("%p is no user", async (user) => {
    const { exitCode, stdout, stderr } = await run(["-u", user], tiny, "id");
    expect([exitCode, stdout]).toEqual([125, ""]);
    expect(stderr).toContain("hint: ");
  });

  test("nor are those that an image's files make of names", async () => {
    const root = join(installed.directory, "users");
    await execOk(["cp", "-a", tiny, root]);
    const lines = [
      "minus:x:-1:0::/:",
      "all:x:4294967295:0::/:",
      "wrap:x:4294967296:0::/:",
      "hex:x:0x0:0::/:",
      "none:x::0::/:",
      "plus:x:+0:0::/:",
    ];
    writeFileSync(join(root, "etc/passwd"), `${lines.join("\n")}\nroot:x:0:0::/:\n${"x".repeat(1 << 16)}\n`);
    for (const line of lines) {
      const { exitCode, stdout } = await run(["-u", line.slice(0, line.indexOf(":"))], root, "id");
      expect([line, exitCode, stdout]).toEqual([line, 125, ""]);
    }
  });

  test("names are no paths", async () => {
    const names = ["../../x", "..", ".", "a/b", "/etc", "a\nb", "-x"];
    for (const name of names) {
      const made = await installed.thaw("run", `--name=${name}`, "--rootfs", tiny, "--", "id");
      expect([name, made.exitCode, made.stdout]).toEqual([name, 125, ""]);
      for (const command of [["rm", "-f"], ["logs"], ["stop"], ["inspect"], ["checkpoint", "rm"], ["image", "rm"]]) {
        const outcome = await installed.thaw(...command, "--", name);
        expect([command, name, outcome.exitCode === 0]).toEqual([command, name, false]);
      }
    }
    target.expectUntouched();
    expect((await installed.thaw("ps", "-a", "-q")).stdout).toBe("");
  });

  test("the daemon's sockets are closed to others", () => {
    for (const name of ["thaw.sock", "launcher.sock"]) {
      expect([name, statSync(join(installed.run, name)).mode & 0o007]).toEqual([name, 0]);
    }
  });
});
