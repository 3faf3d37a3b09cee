/** User namespaces: who root inside is outside, what is on the disk, what works inside as without. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { checkDumpable } from "../src/checkpoint/refusals.ts";
import type { Container, ContainerSpec } from "../src/container/index.ts";
import { mappedIdsMissing } from "./support/mapped-ids.ts";
import { makePerlRoot } from "./support/perl-root.ts";
import {
  abandon,
  closeWorld,
  launcherPids,
  leftovers,
  NOTHING_LEFT,
  openManager,
  openWorld,
  runToEnd,
  specOf,
  statusOf,
  until,
  type World,
} from "./support/world.ts";

const missing = mappedIdsMissing();
const check = test.skipIf(missing !== "");

let world: World;
let perlRoot: string;

beforeAll(async () => {
  world = await openWorld();
  perlRoot = join(world.root, "../perl");
  await makePerlRoot(perlRoot);
  mkdirSync(join(world.root, "srv"));
  writeFileSync(join(world.root, "srv/theirs"), "of 1000\n", { mode: 0o640 });
  chownSync(join(world.root, "srv/theirs"), 1000, 1001);
});

afterAll(async () => {
  await closeWorld(world);
});

afterEach(async () => {
  for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
  expect(await leftovers(world)).toEqual(NOTHING_LEFT);
});

const USERNS = { userns: { ids: undefined } } as const;

function shell(script: string, wanted: Partial<ContainerSpec> = {}) {
  return runToEnd(world, ["sh", "-c", script], { ...USERNS, ...wanted });
}

/** A container that waits, with a user namespace. */
async function waiting(wanted: Partial<ContainerSpec> = {}): Promise<Container> {
  const { id } = await world.containers.create(specOf(world, ["sleep", "1000"], { ...USERNS, ...wanted }));
  return world.containers.start(id);
}

function firstOf({ spec }: Container): number {
  return spec.userns?.ids?.first ?? 0;
}

/** Runs a host program as somebody who got out of a container with all but its user namespace. */
function escaped(pid: number, argv: readonly string[]) {
  const child = Bun.spawnSync(["nsenter", "-t", String(pid), "-U", "-S", "0", "-G", "0", "--", ...argv]);
  return { ok: child.exitCode === 0, stderr: child.stderr.toString() };
}

/** Everything about the files below a directory that a container could have changed. */
function fingerprint(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .sort()
    .map((name) => {
      const { uid, gid, mode, size, mtimeMs, ctimeMs } = lstatSync(join(directory, name));
      return [name, uid, gid, mode, size, mtimeMs, ctimeMs].join(" ");
    });
}

check(`root inside is root, and somebody without rights outside${missing}`, async () => {
  const container = await waiting();
  const first = firstOf(container);
  expect(first).toBeGreaterThanOrEqual(2 ** 20);
  expect(statusOf(container.pid, "Uid")).toBe(Array(4).fill(first).join("\t"));
  expect(statusOf(container.pid, "Gid")).toBe(Array(4).fill(first).join("\t"));
  expect(await Bun.file(`/proc/${container.pid}/uid_map`).text()).toMatch(new RegExp(`^\\s+0\\s+${first}\\s+65536\n$`));
  expect(await Bun.file(`/proc/${container.pid}/gid_map`).text()).toMatch(new RegExp(`^\\s+0\\s+${first}\\s+65536\n$`));
  const { stdout } = await shell("id; cat /proc/self/status");
  expect(stdout).toStartWith("uid=0(root) gid=0(root) groups=0(root)\n");
  expect(stdout).toMatch(/CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n/);
  expect(stdout).toMatch(/NoNewPrivs:\t1\n/);
});

check(
  `root of a container that got out can neither read the host's files nor end its processes${missing}`,
  async () => {
    const { pid } = await waiting();
    const secret = join(world.root, "../secret");
    writeFileSync(secret, "secret\n", { mode: 0o600 });
    chmodSync(join(world.root, ".."), 0o755);
    const [launcher = 0] = launcherPids(world.paths);
    expect(escaped(pid, ["true"]).ok).toBe(true);
    expect(escaped(pid, ["cat", secret]).stderr).toContain("Permission denied");
    expect(escaped(pid, ["sh", "-c", `kill -0 ${launcher}`]).stderr).toContain("not permitted");
    expect(escaped(pid, ["ls", world.paths.containers]).stderr).toContain("Permission denied");
  },
);

check(`one container's root is nobody to another's${missing}`, async () => {
  const [one, other] = [await waiting(), await waiting()];
  expect(firstOf(one)).not.toBe(firstOf(other));
  expect(escaped(one.pid, ["sh", "-c", `kill -0 ${one.pid}`]).ok).toBe(true);
  expect(escaped(one.pid, ["sh", "-c", `kill -0 ${other.pid}`]).stderr).toContain("not permitted");
});

check(`two containers with other ids share layers that stay as they are${missing}`, async () => {
  const before = fingerprint(world.root);
  const script = "stat -c %u:%g /bin/sh /srv/theirs; echo own > /etc/passwd; stat -c %u /etc/passwd; cat /srv/theirs";
  const [one, other] = await Promise.all([shell(script), shell(script)]);
  expect(one.stdout).toBe("0:0\n1000:1001\n0\nof 1000\n");
  expect(other).toEqual(one);
  expect(fingerprint(world.root)).toEqual(before);
});

check(`the writable layer has the ids that are seen inside, and is there again after a restart${missing}`, async () => {
  const script =
    "if [ -e /tmp/first ]; then cat /tmp/first; stat -c %u:%g /tmp/first /run; else echo again > /tmp/first; fi";
  const { id } = await world.containers.create(specOf(world, ["sh", "-c", script], { ...USERNS, user: "tester" }));
  await world.containers.start(id);
  await world.containers.wait(id);
  const file = statSync(join(world.containers.place(id).upper, "tmp/first"));
  expect([file.uid, file.gid]).toEqual([1234, 1235]);
  await world.containers.start(id);
  await world.containers.wait(id);
  const texts = (await Array.fromAsync(world.containers.logs(id, { follow: false }))).map(({ bytes }) => bytes);
  expect(Buffer.concat(texts).toString()).toBe("again\n1234:1235\n0:0\n");
});

check(`binds have the same ids inside and on the disk, both ways${missing}`, async () => {
  const source = join(world.root, "../bound");
  mkdirSync(source);
  writeFileSync(join(source, "given"), "given\n");
  chownSync(join(source, "given"), 1000, 1000);
  const file = join(world.root, "../bound-file");
  writeFileSync(file, "file\n", { mode: 0o600 });
  const binds = [
    { source, target: "/data", readonly: false },
    { source: file, target: "/etc/one", readonly: true },
  ];
  const script =
    "stat -c %u:%g /data/given /etc/one; cat /etc/one; echo > /data/made; echo no > /etc/one; mknod /data/dev c 1 3";
  const { stdout, stderr } = await shell(script, { binds });
  expect(stdout).toBe("1000:1000\n0:0\nfile\n");
  expect(stderr).toContain("Read-only file system");
  expect(stderr).toContain("Operation not permitted");
  expect(statSync(join(source, "made")).uid).toBe(0);
  await shell("echo > /data/theirs", { binds, user: "1234:1235" });
  expect(readdirSync(source)).not.toContain("theirs");
  rmSync(source, { recursive: true });
});

check(`a bind of a file system that cannot map ids is refused in words${missing}`, async () => {
  const binds = [{ source: "/sys/kernel", target: "/data", readonly: true }];
  await expect(shell("true", { binds })).rejects.toMatchObject({
    code: "START_FAILED",
    message: "/sys/kernel is on a file system that cannot map ids, which a container with a user namespace needs",
  });
});

check(`devices, streams and a terminal can be used, and stand where they should${missing}`, async () => {
  const script =
    "head -c 4 /dev/urandom > /dev/null && echo > /dev/full || echo full; stat -c '%t:%T %u %a' /dev/null; echo to stdout > /dev/stdout; echo to stderr > /dev/stderr; ls -dn /dev/pts/ptmx";
  const { stdout, stderr } = await shell(script);
  expect(stdout).toMatch(/^full\n1:3 0 666\nto stdout\ncrw-rw-rw- 1 0 0 5, 2 .*ptmx\n$/);
  expect(stderr).toEndWith("to stderr\n");
  const other = await shell("echo to stdout > /dev/stdout; echo to stderr > /dev/stderr", { user: "tester" });
  expect(other).toMatchObject({ stdout: "to stdout\n", stderr: "to stderr\n" });
  const tty = await shell("tty; stat -c %u:%g $(tty); echo x > /dev/tty; echo y > /dev/stdout", {
    tty: true,
    user: "tester",
  });
  expect(tty.stdout).toBe("/dev/pts/0\r\n1234:5\r\nx\r\ny\r\n");
});

check(`/proc and /sys are there, masked and read-only${missing}`, async () => {
  const script =
    "cat /proc/kcore /proc/keys; ls /sys/firmware; ls /sys/class/net; echo 1 > /proc/sys/kernel/panic; echo b > /proc/sysrq-trigger; echo 1 > /sys/kernel/rcu_expedited; cat /proc/sys/kernel/hostname";
  const { stdout, stderr } = await shell(script, { hostname: "frosty" });
  expect(stdout).toBe("lo\nfrosty\n");
  expect(stderr.match(/cannot create/g)).toHaveLength(3);
});

check(`rights over the network are rights over the container's own${missing}`, async () => {
  const script = `socket(S, 2, 1, 6) and bind(S, pack("S n a4 x8", 2, 80, "\\x7f\\0\\0\\1")) and print "low port\\n";
    socket(R, 2, 3, 1) and print "raw socket\\n";`;
  const wanted = { ...USERNS, rootfs: perlRoot };
  const own = await runToEnd(world, ["/usr/bin/perl", "-e", script], wanted);
  expect(own.stdout).toBe("low port\nraw socket\n");
  const host = await runToEnd(world, ["/usr/bin/perl", "-e", script], {
    ...wanted,
    network: { mode: "host", attachments: [] },
  });
  expect(host).toMatchObject({ exitCode: 0, stdout: "" });
});

check(`a setuid program gives what it says, inside${missing}`, async () => {
  const suid = join(world.root, "bin/suid-id");
  copyFileSync(join(world.root, "bin/id"), suid);
  chmodSync(suid, 0o4755);
  const wanted = { user: "tester", isolation: { noNewPrivileges: false } };
  expect((await shell("suid-id -u; id -u", wanted)).stdout).toBe("0\n1234\n");
  expect((await shell("suid-id -u", { user: "tester" })).stdout).toBe("1234\n");
  rmSync(suid);
});

check(`an id beyond the range is refused, for it is another container's${missing}`, async () => {
  const expected = { code: "INVALID", message: expect.stringContaining("there is no id 70000") };
  await expect(shell("id", { user: "70000" })).rejects.toMatchObject(expected);
  const tmpfs = [{ target: "/scratch", flags: 0, options: "uid=70000" }];
  await expect(shell("id", { isolation: { tmpfs } })).rejects.toMatchObject(expected);
});

check(`isolation options mean the same in it${missing}`, async () => {
  const isolation = {
    readonlyRoot: true,
    tmpfs: [{ target: "/scratch", flags: 6, options: "mode=750,uid=1234,gid=77" }],
    devices: [{ source: "/dev/zero", target: "/dev/mine", access: "rw" }],
    sysctls: { "kernel.shmmax": "12345678", "fs.mqueue.msg_max": "11", "net.ipv4.ip_unprivileged_port_start": "80" },
    ulimits: [{ name: "nofile", soft: 99, hard: 100 }],
    oomScoreAdj: 321,
    domainname: "example.org",
  };
  const script = `stat -c %a:%u:%g /scratch; stat -c %t:%T:%u /dev/mine; head -c 1 /dev/mine > /dev/null && echo read
    cd /proc/sys; cat kernel/shmmax fs/mqueue/msg_max net/ipv4/ip_unprivileged_port_start kernel/domainname
    ulimit -n; cat /proc/self/oom_score_adj; echo x > /x`;
  const { stdout, stderr } = await shell(script, { isolation });
  expect(stdout).toBe("750:1234:77\n1:5:0\nread\n12345678\n11\n80\nexample.org\n99\n321\n");
  expect(stderr).toContain("Read-only file system");
});

check(`root inside cannot take mounts apart, whatever capabilities it has${missing}`, async () => {
  const script = `my ($type, $none) = ("tmpfs", ""); for ("/proc/kcore", "/proc/sys", "/sys", "/dev") { my $at = $_;
    print syscall(166, $at, 0), syscall(165, $type, $at, $type, 32, $none), " " }`;
  const isolation = { capAdd: ["ALL"] };
  const argv = ["/usr/bin/perl", "-e", script];
  const { stdout } = await runToEnd(world, argv, { ...USERNS, rootfs: perlRoot, isolation });
  expect(stdout).toBe("-1-1 ".repeat(4));
});

check(`a checkpoint of it is refused in words${missing}`, async () => {
  const container = await waiting();
  expect(() => checkDumpable(container)).toThrow("has a user namespace");
});

check(`without an init it works as well${missing}`, async () => {
  expect(await shell("echo $$; id -u; exit 3", { init: false })).toMatchObject({ stdout: "1\n0\n", exitCode: 3 });
});

check(`a container with a user namespace dies with its launcher${missing}`, async () => {
  const lost = await openWorld();
  const { id } = await lost.containers.create(specOf(lost, ["sleep", "1000"], USERNS));
  const { pid } = await lost.containers.start(id);
  for (const launcher of launcherPids(lost.paths)) process.kill(launcher, "SIGKILL");
  await until(() => {
    try {
      return statusOf(pid, "State").startsWith("Z");
    } catch {
      return true;
    }
  });
  abandon(lost);
  const again = await openManager(lost.paths, lost.root);
  expect(await leftovers(again)).toMatchObject({ cgroups: [], processes: [], mounts: [] });
  await closeWorld(again);
});

check(`ids are unique, last as long as the container, outlive the daemon, and are given again${missing}`, async () => {
  const create = () => world.containers.create(specOf(world, ["true"], USERNS));
  const [a, b, c] = [await create(), await create(), await create()];
  const firsts = [a, b, c].map(firstOf);
  expect(new Set(firsts).size).toBe(3);
  await world.containers.remove(b.id);
  await world.containers.close();
  abandon(world);
  world = await openManager(world.paths, world.root);
  expect([a, c].map(({ id }) => firstOf(world.containers.get(id)))).toEqual([firstOf(a), firstOf(c)]);
  expect(firstOf(await create())).toBe(firstOf(b));
  expect(firsts).not.toContain(firstOf(await create()));
});
