/**
 * Isolation options of `thaw run`, each in a real container: what the program sees, what it can and cannot do, and what
 * `thaw inspect` says of it.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Installed, type Outcome } from "./support/installed.ts";
import { findCriu } from "./support/machine.ts";
import { makeTinyRoot } from "./support/root.ts";
import { until } from "./support/world.ts";

const installed = new Installed();
const root = join(installed.directory, "root");

beforeAll(() => makeTinyRoot(root));

afterAll(async () => {
  await installed.thaw("daemon", "stop", "--force");
  await until(() => installed.pids().length === 0);
  expect(await installed.leftovers()).toEqual([]);
  installed.remove();
});

/** Runs a shell script in a container with these options. */
function run(options: readonly string[], script: string, rootfs = root): Promise<Outcome> {
  return installed.thaw("run", "--rm", ...options, "--rootfs", rootfs, "--", "sh", "-c", script);
}

/** A field of /proc/self/status. */
function field(status: string, name: string): string {
  return new RegExp(`^${name}:\\t(.*)$`, "m").exec(status)?.[1] ?? "";
}

const status = "cat /proc/self/status";

describe("the root", () => {
  test("--read-only protects it, and not what is mounted in it; the working directory is made all the same", async () => {
    const options = ["--read-only", "--tmpfs", "/scratch", "-w", "/made/here"];
    const { stdout, stderr } = await run(options, "pwd; echo x > /scratch/yes && cat /scratch/yes; echo x > /no");
    expect(stdout).toBe("/made/here\nx\n");
    expect(stderr).toContain("/no: Read-only file system");
  });

  test("--tmpfs has Docker's defaults, and those that are asked for instead", async () => {
    const options = ["--tmpfs", "/a", "--tmpfs", "/a/b:size=1m,mode=750,uid=1234,gid=77,exec", "--shm-size", "2m"];
    const script = "cat /proc/mounts; stat -c '%n %a %u:%g' /a /a/b; cat /bin/cat > /a/b/cat; stat -f -c %b /dev/shm";
    const { stdout } = await run(options, script);
    expect(stdout).toContain("tmpfs /a tmpfs rw,nosuid,nodev,noexec,relatime 0 0\n");
    expect(stdout).toMatch(/tmpfs \/a\/b tmpfs rw,nosuid,nodev,relatime,size=1024k,mode=750,uid=1234,gid=77 /);
    expect(stdout).toContain("/a 1777 0:0\n/a/b 750 1234:77\n");
    expect(stdout).toMatch(/tmpfs \/dev\/shm tmpfs rw,nosuid,nodev,noexec,relatime,size=2048k/);
    expect(stdout).toEndWith("512\n");
  });

  test("a mount point that a link of the image leads into /proc or /sys is refused", async () => {
    const rootfs = join(installed.directory, "linked");
    cpSync(root, rootfs, { recursive: true });
    symlinkSync("/proc", join(rootfs, "data"));
    symlinkSync("../sys/kernel", join(rootfs, "tmp/deep"));
    for (const options of [
      ["--tmpfs", "/data"],
      ["-v", "/usr:/data/bus"],
      ["-v", "/usr:/tmp/deep"],
    ]) {
      const { exitCode, stderr } = await run(options, "echo started", rootfs);
      expect(stderr).toContain("it leads to the container's root, or into its /proc or /sys");
      expect(exitCode).toBe(125);
    }
    expect((await run(["--tmpfs", "/proc/x"], "true")).stderr).toContain("/proc/x cannot be a mount point");
  });
});

const criu = await findCriu();
const noCriu = typeof criu === "string" ? ` (${criu})` : "";

test.skipIf(noCriu !== "")(`what CRIU reads cannot be written, whatever is mounted over it${noCriu}`, async () => {
  for (const options of [
    ["--tmpfs", "/run"],
    ["-v", "/run"],
    ["--read-only", "--tmpfs", "/run:mode=777"],
  ]) {
    const script = "echo x > /run/criu.kdat; [ -s /run/criu.kdat ] && echo there";
    const { stdout, stderr } = await run(options, script);
    expect(stderr).toContain("/run/criu.kdat: Read-only file system");
    expect(stdout).toBe("there\n");
  }
});

describe("identity", () => {
  test("capabilities are added and dropped by any spelling; no_new_privs can be turned off", async () => {
    const least = await run(["--cap-drop", "ALL", "--cap-add", "cap_net_bind_service"], status);
    expect(field(least.stdout, "CapBnd")).toBe("0000000000000400");
    expect(field(least.stdout, "NoNewPrivs")).toBe("1");
    const more = await run(
      ["--cap-add", "NET_ADMIN", "--cap-drop", "Mknod", "--security-opt", "no-new-privileges=false"],
      status,
    );
    expect(BigInt(`0x${field(more.stdout, "CapEff")}`)).toBe((0xa80425fbn | (1n << 12n)) & ~(1n << 27n));
    expect(field(more.stdout, "NoNewPrivs")).toBe("0");
  });

  test("--user, --group-add, --ulimit and --oom-score-adj", async () => {
    const options = ["-u", "tester", "--group-add", "5", "--group-add", "root", "--oom-score-adj", "321"];
    const script = "id -u; id -G; ulimit -n; ulimit -H -n; ulimit -c; cat /proc/self/oom_score_adj";
    const { stdout } = await run([...options, "--ulimit", "nofile=99:100", "--ulimit", "core=0"], script);
    expect(stdout).toBe("1234\n1235 0 5 77\n99\n100\n0\n321\n");
  });

  test("--stop-signal and --stop-timeout are what `thaw stop` uses", async () => {
    const script = "trap 'exit 7' USR1; trap '' TERM; echo up; while :; do sleep 0.02; done";
    const options = ["-d", "--name", "polite", "--stop-signal", "USR1", "--stop-timeout", "60"];
    await installed.thaw("run", ...options, "--rootfs", root, "--", "sh", "-c", script);
    await until(async () => (await installed.thaw("logs", "polite")).stdout === "up\n");
    await installed.thaw("stop", "polite");
    const [details] = JSON.parse((await installed.thaw("inspect", "polite")).stdout);
    expect(details.State.ExitCode).toBe(7);
    expect(details.Config).toMatchObject({ StopSignal: "SIGUSR1", StopTimeout: 60 });
    await installed.thaw("rm", "polite");
  });
});

describe("names", () => {
  test("host and domain name, /etc/hosts and /etc/resolv.conf", async () => {
    const options = [
      "--network",
      "none",
      "--hostname",
      "frosty",
      "--domainname",
      "example.org",
      "--add-host",
      "db:10.1.2.3",
    ];
    const dns = ["--dns", "192.0.2.1", "--dns-search", "corp.example", "--dns-option", "ndots:2"];
    const script = "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname /etc/hosts /etc/resolv.conf";
    const { stdout } = await run([...options, "--add-host", "six:[2001:db8::1]", ...dns], script);
    expect(stdout).toStartWith("frosty\nexample.org\n127.0.0.1\tlocalhost frosty.example.org frosty\n");
    expect(stdout).toContain("10.1.2.3\tdb\n2001:db8::1\tsix\n");
    expect(stdout).toEndWith("nameserver 192.0.2.1\nsearch corp.example\noptions ndots:2\n");
  });

  test("namespaces can be the host's", async () => {
    const { stdout } = await run(
      ["--uts", "host", "--ipc", "host", "--pid", "host"],
      "cat /proc/sys/kernel/hostname; ls -l /proc/self/ns; ls /proc/1/comm /dev/shm; (sleep 1000 &)",
    );
    const own = (name: string) => readlinkSync(`/proc/self/ns/${name}`);
    expect(stdout).toStartWith(readFileSync("/proc/sys/kernel/hostname", "utf8"));
    for (const name of ["uts", "ipc", "pid"]) expect(stdout).toContain(own(name));
    for (const name of ["mnt", "net"]) expect(stdout).not.toContain(own(name));
  });

  test("sysctls of its own namespaces are set, others are refused", async () => {
    const options = ["--sysctl", "net.core.somaxconn=77", "--sysctl", "kernel.msgmax=4096"];
    const { stdout } = await run(options, "cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax");
    expect(stdout).toBe("77\n4096\n");
    expect((await run(["--sysctl", "kernel.panic=1"], "true")).stderr).toContain("not one that belongs to");
    expect((await run(["--network", "host", "--sysctl", "net.core.somaxconn=1"], "true")).stderr).toContain(
      "would change the host",
    );
    expect((await run(["--sysctl", "net.core.no_such=1"], "true")).stderr).toContain("no sysctl net.core.no_such");
  });
});

const devices = ["/dev/loop-control", "/dev/kmsg"].every((path) => existsSync(path));

describe("devices", () => {
  test.skipIf(!devices)(
    "--device gives what it names, with its rights, and no more (needs /dev/loop-control, kmsg)",
    async () => {
      const options = ["--device", "/dev/loop-control:/dev/x/loop:r", "--device", "/dev/kmsg"];
      const script =
        "stat -c '%n %t:%T' /dev/x/loop /dev/kmsg; : < /dev/x/loop && echo reads; (: > /dev/x/loop); mknod /tmp/m c 1 1; (: < /tmp/m)";
      const { stdout, stderr } = await run(options, script);
      expect(stdout).toBe("/dev/x/loop a:ed\n/dev/kmsg 1:b\nreads\n");
      expect(stderr).toMatch(/\/dev\/x\/loop: Operation not permitted\n.*\/tmp\/m: Operation not permitted\n$/);
      expect((await run(["--device", "/dev/no-such"], "true")).stderr).toContain("no device /dev/no-such");
      expect((await run(["--device", "/usr/bin"], "true")).stderr).toContain("/usr/bin is not a device");
    },
  );

  test("--privileged hides nothing, protects nothing and has every capability and device", async () => {
    const script = `${status}; ls -d /dev/kmsg; : < /dev/kmsg && echo opened; cat /proc/mounts; echo 5 > /proc/sys/net/core/somaxconn && echo written`;
    const { stdout } = await run(["--privileged"], script);
    const all = field(readFileSync("/proc/self/status", "utf8"), "CapBnd");
    expect(field(stdout, "CapEff")).toBe(all);
    expect(stdout).toContain("/dev/kmsg\nopened\n");
    expect(stdout).toContain("sysfs /sys sysfs rw,");
    expect(stdout).not.toMatch(/ \/proc\/[a-z]+ /);
    expect(stdout).toEndWith("written\n");
  });

  test("systempaths=unconfined hides and protects nothing of /proc, and no more than that", async () => {
    const { stdout } = await run(["--security-opt", "systempaths=unconfined"], `${status}; cat /proc/mounts`);
    expect(stdout).not.toMatch(/ \/proc\/[a-z]+ /);
    expect(stdout).toContain("sysfs /sys sysfs ro,");
    expect(field(stdout, "CapEff")).toBe("00000000a80425fb");
  });
});

test("inspect says what was asked for, in Docker's words", async () => {
  const options = [
    "--read-only",
    "--cap-add",
    "net_admin",
    "--device",
    "/dev/null:/dev/nil:r",
    "--tmpfs",
    "/t:ro,size=1m",
  ];
  const names = ["--dns", "192.0.2.1", "--add-host", "a=1.2.3.4", "--ulimit", "core=-1", "--sysctl", "net.a.b=1"];
  const made = await installed.thaw("create", "--name", "shown", ...options, ...names, "--rootfs", root, "--", "true");
  expect(made.stderr).toBe("");
  const [details] = JSON.parse((await installed.thaw("inspect", "shown")).stdout);
  expect(details.HostConfig).toMatchObject({
    ReadonlyRootfs: true,
    CapAdd: ["NET_ADMIN"],
    Devices: [{ PathOnHost: "/dev/null", PathInContainer: "/dev/nil", CgroupPermissions: "r" }],
    Tmpfs: { "/t": "ro,nosuid,nodev,noexec,mode=1777,size=1048576" },
    Dns: ["192.0.2.1"],
    ExtraHosts: ["a:1.2.3.4"],
    Ulimits: [{ Name: "core", Soft: -1, Hard: -1 }],
    Sysctls: { "net.a.b": "1" },
    Privileged: false,
    ShmSize: 67_108_864,
  });
  await installed.thaw("rm", "shown");
});

test.each([
  [["--cap-add", "FLY"], "expected a capability such as NET_ADMIN, or ALL"],
  [["--ulimit", "files=1"], "Ulimits.0.Name"],
  [["--ulimit", "nofile=5:4"], "expected a soft limit that is not above the hard one"],
  [["--device", "fuse"], "--device: expected HOST[:CONTAINER[:rwm]]"],
  [["--tmpfs", "/x:colour=red"], "expected options such as size=64m"],
  [["--tmpfs", "/x", "--tmpfs", "/x/../y"], "has .. in it"],
  [["--tmpfs", "/x", "-v", "/usr:/x/"], "two mounts have the same place /x"],
  [["--ipc", "container:other"], "thaw does not share namespaces between containers"],
  [["--uts", "host", "--hostname", "x"], "has the host's name"],
  [["--add-host", "db"], "expected NAME:ADDRESS"],
  [["--network", "none", "--add-host", "db:host-gateway"], "the host cannot be reached"],
  [["--sysctl", "net.core.somaxconn"], "--sysctl: expected NAME=VALUE"],
  [["--security-opt", "selinux=on"], "thaw knows only"],
  [["--security-opt", "seccomp=/no/such/file"], "cannot read /no/such/file"],
  [["--stop-signal", "WAVE"], "signal: expected a name like TERM"],
  [["--oom-score-adj", "1001"], "OomScoreAdj: expected at most 1000"],
])("%j is refused, and it is said why", async (options, message) => {
  const { exitCode, stderr } = await run(options, "echo started");
  expect(stderr).toContain(message);
  expect(stderr).toContain("hint: ");
  expect(exitCode).toBe(125);
});

test("as many mounts and devices as a plan has room for, and no more", async () => {
  const many = (count: number, option: string) => Array.from({ length: count }, (_, index) => `${option}${index}`);
  const [mounts, devices] = [many(50, "--tmpfs=/t"), many(100, "--device=/dev/null:/dev/n")];
  const { stdout } = await run(["--privileged", ...mounts, ...devices], "ls -d /t49 /dev/n99");
  expect(stdout).toBe("/dev/n99\n/t49\n");
  expect((await run([...mounts, "--tmpfs=/more"], "true")).stderr).toContain("51 mounts are too many");
  expect((await run([...devices, "--device=/dev/null:/dev/more"], "true")).stderr).toContain(
    "101 devices are too many",
  );
});
