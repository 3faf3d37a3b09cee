/** Containers over the real launcher: what runs, what it sees, what bounds it, what it leaves. */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WAKES_NOTHING } from "../src/launcher/index.ts";
import { makePerlRoot, SERVER_ARGV, SERVER_PORT } from "./support/perl-root.ts";
import {
  closeWorld,
  leftovers,
  NOTHING_LEFT,
  openWorld,
  runToEnd,
  specOf,
  textOf,
  until,
  type World,
} from "./support/world.ts";

let world: World;

beforeAll(async () => {
  world = await openWorld();
});

afterAll(async () => {
  await closeWorld(world);
});

afterEach(async () => {
  for (const { id } of world.containers.list({ all: true })) await world.containers.remove(id, { force: true });
  expect(await leftovers(world)).toEqual(NOTHING_LEFT);
});

function shell(script: string, wanted = {}) {
  return runToEnd(world, ["sh", "-c", script], wanted);
}

const limits = { memory: undefined, nanoCpus: undefined, pids: undefined };

test.each([0, 1, 42, 255])("exit code %d passes through", async (code) => {
  expect(await shell(`exit ${code}`)).toMatchObject({ exitCode: code });
});

test.each([
  ["TERM", 143],
  ["KILL", 137],
  ["SEGV", 139],
])("death by SIG%s is its code", async (name, code) => {
  expect(await shell(`kill -${name} $$`)).toMatchObject({ exitCode: code, oomKilled: false });
});

test("stdout and stderr are kept apart, whole, and in order", async () => {
  const ran = await shell("i=0; while [ $i -lt 2000 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done");
  const lines = (word: string) => Array.from({ length: 2000 }, (_, index) => `${word} ${index}\n`).join("");
  expect(ran.stdout).toBe(lines("out"));
  expect(ran.stderr).toBe(lines("err"));
});

test("output of several megabytes is whole", async () => {
  expect((await shell("dd if=/dev/zero bs=65536 count=64")).stdout.length).toBe(64 * 65536);
});

test("input reaches the program, and its end too", async () => {
  const { id } = await world.containers.create(specOf(world, ["cat"], { openStdin: true }));
  const attachment = await world.containers.attach(id, { stdin: true, stdout: true, stderr: true });
  await world.containers.start(id);
  const input = "line\n".repeat(100_000);
  const output = Array.fromAsync(attachment.output);
  await attachment.write(Buffer.from(input));
  attachment.closeInput();
  expect(unframed(await output)).toBe(input);
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 0 });
});

/** The text of stdout frames: 8 bytes of header, of which the last four are the length. */
function unframed(chunks: readonly Uint8Array[]): string {
  const bytes = Buffer.concat(chunks);
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    expect(bytes[at]).toBe(1);
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    parts.push(bytes.subarray(at + 8, end));
    at = end;
  }
  return Buffer.concat(parts).toString();
}

test("without input stdin is /dev/null", async () => {
  expect(await shell("cat; echo done")).toMatchObject({ stdout: "done\n" });
});

test("a terminal is one: raw output, echo, size, its own devpts", async () => {
  const spec = specOf(world, ["sh", "-c", "tty; stty size; read line; echo got $line >&2; stty size"], { tty: true });
  const { id } = await world.containers.create(spec);
  const attachment = await world.containers.attach(id, { stdin: true, stdout: true, stderr: true });
  await world.containers.start(id);
  await world.containers.resize(id, 33, 111);
  await attachment.write(Buffer.from("hello\r"));
  const output = Buffer.concat(await Array.fromAsync(attachment.output)).toString();
  expect(output).toContain("/dev/pts/0\r\n");
  expect(output).toContain("hello\r\n");
  expect(output).toContain("got hello\r\n");
  expect(output).toEndWith("33 111\r\n");
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 0 });
});

test("environment, user, groups, working directory and host name are what was asked for", async () => {
  const ran = await shell("echo $A $HOME; id -u; id -g; id -G; pwd; cat /etc/hostname /proc/sys/kernel/hostname", {
    env: ["A=b c"],
    user: "tester",
    cwd: "/not/there/yet",
    hostname: "frosty",
  });
  expect(ran.stdout).toBe("b c /home/tester\n1234\n1235\n1235 77\n/not/there/yet\nfrosty\nfrosty\n");
});

test("a user other than root has no capabilities and can get none", async () => {
  const { stdout } = await shell("cat /proc/self/status", { user: "1234:1235" });
  expect(stdout).toMatch(/CapPrm:\t0+\n/);
  expect(stdout).toMatch(/CapEff:\t0+\n/);
  expect(stdout).toMatch(/NoNewPrivs:\t1\n/);
});

test("root has the usual fourteen capabilities", async () => {
  expect((await shell("cat /proc/self/status")).stdout).toMatch(
    /CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n/,
  );
});

test("the program sees its own processes only, below an init", async () => {
  const { stdout } = await shell("echo $$; ls /proc");
  const pids = stdout.split("\n").slice(1).map(Number).filter(Number.isInteger);
  expect(stdout).toStartWith("2\n");
  expect(pids.filter((pid) => pid > 0)).toHaveLength(3);
});

test("without an init the program is pid 1", async () => {
  expect(await shell("echo $$; exit 3", { init: false })).toMatchObject({ stdout: "1\n", exitCode: 3 });
});

test("/dev has its devices and nothing of the host's", async () => {
  const { stdout } = await shell(
    "ls /dev; stat -c '%n %t:%T %a' /dev/null /dev/urandom; echo x > /dev/null; ls /dev/pts",
  );
  expect(stdout).toBe(
    "fd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\nthaw\ntty\nurandom\nzero\n/dev/null 1:3 666\n/dev/urandom 1:9 666\nptmx\n",
  );
});

test("a device node that the container makes does not open the host's device", async () => {
  const { stdout, stderr, exitCode } = await shell("mknod /tmp/mem c 1 1 && echo made; head -c 1 /tmp/mem");
  expect(stdout).toBe("made\n");
  expect(stderr).toContain("Operation not permitted");
  expect(exitCode).not.toBe(0);
});

test("what tells about or acts on the host is hidden or read-only", async () => {
  const script = [
    "for f in /proc/kcore /proc/keys /proc/timer_list /proc/interrupts; do [ -e $f ] && head -c 1 $f; done",
    "ls /proc/acpi /sys/firmware 2>/dev/null | head -c 200 >&2",
    "for f in /proc/sys/kernel/hostname /proc/sysrq-trigger /sys/kernel/uevent_helper; do (echo x > $f) 2>/dev/null && echo $f; done",
    "true",
  ];
  const { stdout, stderr } = await shell(script.join("\n"));
  expect(stdout).toBe("");
  expect(stderr).toBe("/proc/acpi:\n\n/sys/firmware:\n".slice(0, stderr.length));
});

test("an own network has a loopback and nothing more; the host's has the host's", async () => {
  const own = await shell("ls /sys/class/net; cat /proc/net/dev | tail -n 1; cat /etc/hosts", { hostname: "frosty" });
  expect(own.stdout).toMatch(/^lo\n +lo:/);
  expect(own.stdout).toContain("127.0.0.1\tlocalhost frosty\n");
  const host = await shell("ls /sys/class/net", { network: { mode: "host", attachments: [] } });
  expect(host.stdout.trim().split("\n").toSorted()).toEqual(readdirSync("/sys/class/net").toSorted());
});

test("binds show the host's files, read-only when asked, and are not written through by thaw", async () => {
  const shared = join(world.root, "..", "shared");
  mkdirSync(shared, { recursive: true });
  writeFileSync(join(shared, "hosts"), "mine\n");
  const binds = [
    { source: shared, target: "/mnt/rw", readonly: false },
    { source: shared, target: "/mnt/ro", readonly: true },
    { source: join(shared, "hosts"), target: "/etc/hosts", readonly: false },
  ];
  const ran = await shell("cat /etc/hosts; echo new > /mnt/rw/new; cat /mnt/ro/new; echo x > /mnt/ro/x", { binds });
  expect(ran.stdout).toBe("mine\nnew\n");
  expect(ran.stderr).toContain("Read-only file system");
  expect(readFileSync(join(shared, "hosts"), "utf8")).toBe("mine\n");
});

test("what is written stays in the container's own layer, also over a restart", async () => {
  const { id } = await world.containers.create(specOf(world, ["sh", "-c", "[ -e /kept ] && exit 5; echo x > /kept"]));
  await world.containers.start(id);
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 0 });
  await world.containers.start(id);
  expect(await world.containers.wait(id)).toMatchObject({ exitCode: 5 });
  expect(readdirSync(world.root)).not.toContain("kept");
});

test("the memory limit kills, and it is said", async () => {
  const ran = await runToEnd(world, ["tail", "/dev/zero"], { limits: { ...limits, memory: 16 << 20 } });
  expect(ran).toMatchObject({ exitCode: 137, oomKilled: true });
});

test("the limit of processes holds", async () => {
  const script = "i=0; while [ $i -lt 30 ]; do sleep 30 & i=$((i+1)); done; echo all";
  const ran = await shell(script, { limits: { ...limits, pids: 10 } });
  expect(ran.stdout).toBe("");
  expect(ran.stderr).toContain("fork");
});

test("the limit of CPU is set", async () => {
  const spec = specOf(world, ["sleep", "60"], { limits: { ...limits, nanoCpus: 5e8 } });
  const { id } = await world.containers.create(spec);
  await world.containers.start(id);
  const files = world.cgroups.leaves(id).flatMap((leaf) => {
    return ["cpu.cfs_quota_us", "cpu.max"].map((name) => join(leaf, name));
  });
  const values = files.flatMap((path) => {
    try {
      return [readFileSync(path, "utf8").trim()];
    } catch {
      return [];
    }
  });
  expect(["50000", "50000 100000"]).toContain(values.join());
  expect(world.containers.memoryOf(id)).toBeGreaterThan(0);
});

test.each([
  ["nowhere", 127, '"nowhere": no such program in the container (searched PATH='],
  ["/bin/nowhere", 127, '"/bin/nowhere": no such program in the container'],
  ["/bin/no-interpreter", 127, "or the interpreter or loader that it names"],
  ["/bin/not-executable", 126, "EACCES (permission denied)"],
  ["/bin/not-a-program", 126, "ENOEXEC (not a program for this machine)"],
])("%s cannot be started, and it is said why", async (program, exitCode, message) => {
  const { id } = await world.containers.create(specOf(world, [program]));
  const attachment = await world.containers.attach(id, { stdin: false, stdout: true, stderr: true });
  const ended = world.containers.wait(id);
  const error = await world.containers.start(id).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "START_FAILED", message: expect.stringContaining(message) });
  expect(await ended).toMatchObject({ exitCode, state: "exited", error: expect.stringContaining(message) });
  expect(await Array.fromAsync(attachment.output)).toEqual([]);
});

test("a working directory that is a file is refused", async () => {
  const { id } = await world.containers.create(specOf(world, ["ls"], { cwd: "/etc/passwd" }));
  const error = await world.containers.start(id).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "START_FAILED", message: expect.stringContaining("/etc/passwd") });
});

test("stop asks first and kills after its time", async () => {
  const asked = await world.containers.create(
    specOf(world, ["sh", "-c", "trap 'exit 9' TERM; echo up; while :; do sleep 0.01; done"]),
  );
  await world.containers.start(asked.id);
  await firstOutput(asked.id);
  await world.containers.stop(asked.id, 60_000);
  expect(world.containers.get(asked.id)).toMatchObject({ state: "exited", exitCode: 9 });
  const deaf = await world.containers.create(
    specOf(world, ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.01; done"]),
  );
  await world.containers.start(deaf.id);
  await firstOutput(deaf.id);
  await world.containers.stop(deaf.id, 20);
  expect(world.containers.get(deaf.id)).toMatchObject({ state: "exited", exitCode: 137 });
});

async function firstOutput(id: string): Promise<void> {
  for await (const _ of world.containers.logs(id, { follow: true })) return;
}

test("everything of a container dies with its program", async () => {
  expect(await shell("sleep 1000 & (trap '' TERM HUP; sleep 1000) & exit 0")).toMatchObject({ exitCode: 0 });
});

test("following the log ends with the container, and holds all of it", async () => {
  const { id } = await world.containers.create(
    specOf(world, ["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.05; done"]),
  );
  const following = Array.fromAsync(world.containers.logs(id, { follow: true }));
  await world.containers.start(id);
  expect(textOf(await following, "stdout")).toBe("1\n2\n3\n");
  const tail = await Array.fromAsync(world.containers.logs(id, { follow: false, tail: 2 }));
  expect(textOf(tail, "stdout")).toBe("2\n3\n");
});

test("a root may have a long path, and commas and colons in it", async () => {
  const deep = join(world.root, "..", "x,y:z\\", ...Array.from({ length: 3 }, () => "d".repeat(120)));
  cpSync(world.root, deep, { recursive: true });
  const ran = await runToEnd(world, ["sh", "-c", "echo hello > /new; cat /new"], { rootfs: deep });
  expect(ran).toMatchObject({ exitCode: 0, stdout: "hello\n", stderr: "" });
  rmSync(join(world.root, "..", "x,y:z\\"), { recursive: true });
});

test("a container that removes itself tells its end first", async () => {
  const { id } = await world.containers.create(
    specOf(world, ["sh", "-c", "exit 4"], { autoRemove: true, name: "brief" }),
  );
  const ended = world.containers.wait(id);
  await world.containers.start(id);
  expect(await ended).toMatchObject({ exitCode: 4 });
  expect(() => world.containers.get("brief")).toThrow("no container is called");
  await until(() => readdirSync(world.paths.containers).length === 0);
});

test("published ports reach the program, and are free again afterwards", async () => {
  const hostPort = await freePort();
  const ports = [{ hostAddress: "127.0.0.1", hostPort, containerPort: SERVER_PORT, protocol: "tcp" as const }];
  const rootfs = join(world.root, "..", "perl");
  await makePerlRoot(rootfs);
  const { id } = await world.containers.create(specOf(world, SERVER_ARGV, { ports, rootfs }));
  await world.containers.start(id);
  const answer = await fetch(`http://127.0.0.1:${hostPort}/some/path`);
  expect(await answer.text()).toBe("/some/path");
  const second = await world.containers.create(specOf(world, ["sleep", "60"], { ports }));
  const error = await world.containers.start(second.id).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "PORT_IN_USE" });
  expect(world.containers.get(second.id).state).toBe("created");
  await world.containers.stop(id, 0);
  await world.containers.start(second.id);
  await world.containers.remove(second.id, { force: true });
  expect((await world.launcher.list()).listeners).toEqual([]);
});

test("a published port holds its first client while the program starts up, for long only while the container is young", async () => {
  const hostPort = await freePort();
  const ports = [{ hostAddress: "127.0.0.1", hostPort, containerPort: SERVER_PORT, protocol: "tcp" as const }];
  const rootfs = join(world.root, "..", "perl");
  await makePerlRoot(rootfs);
  const env = ["THAW_TEST_DELAY=2.5"];
  const slow = await world.containers.create(specOf(world, SERVER_ARGV, { ports, rootfs, env }));
  await world.containers.start(slow.id);
  expect(await (await fetch(`http://127.0.0.1:${hostPort}/count`)).text()).toBe("1");
  await world.containers.stop(slow.id, 0);

  const deaf = await world.containers.create(specOf(world, ["sleep", "60"]));
  await world.containers.start(deaf.id);
  const listener = { id: "deaf", address: "127.0.0.1", port: hostPort, path: "", backlog: 8 };
  await world.launcher.request({ kind: "listen", ...listener });
  const route = { ...WAKES_NOTHING, stdio: 0, log: "", refusal: new Uint8Array(0) };
  await world.launcher.request({ kind: "route", id: "deaf", target: deaf.id, port: 80, readyMs: 1, ...route });
  await expect(fetch(`http://127.0.0.1:${hostPort}/`)).rejects.toThrow();
  await world.launcher.request({ kind: "unlisten", id: "deaf" });
  await world.containers.remove(deaf.id, { force: true });
});

async function freePort(): Promise<number> {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = server;
  server.stop(true);
  return port;
}

test("a port can be taken again at once, however often", async () => {
  const hostPort = await freePort();
  const address = { address: "127.0.0.1", port: hostPort, path: "", backlog: 8 };
  for (let n = 0; n < 200; n++) {
    await world.launcher.request({ kind: "listen", id: `again-${n}`, ...address });
    await world.launcher.request({ kind: "unlisten", id: `again-${n}` });
  }
});

test("what cannot be made is refused, and nothing is left of it", async () => {
  const refused = async (wanted: Parameters<typeof specOf>[2], argv: readonly string[] = ["ls"]) =>
    world.containers.create(specOf(world, argv, wanted)).catch((caught: unknown) => caught);
  expect(await refused({ rootfs: "/not/there" })).toMatchObject({ code: "PATH_NOT_FOUND" });
  expect(await refused({ binds: [{ source: "/not/there", target: "/x", readonly: true }] })).toMatchObject({
    code: "PATH_NOT_FOUND",
  });
  expect(await refused({ name: "../x" })).toMatchObject({ code: "INVALID" });
  expect(await refused({}, [])).toMatchObject({ code: "INVALID" });
  expect(await refused({ limits: { ...limits, memory: 4096 } })).toMatchObject({ code: "INVALID" });
  await world.containers.create(specOf(world, ["ls"], { name: "taken" }));
  expect(await refused({ name: "taken" })).toMatchObject({ code: "NAME_IN_USE" });
  expect(world.containers.list({ all: true })).toHaveLength(1);
  expect(readdirSync(world.paths.containers)).toHaveLength(1);
});

test("a user that the image does not have keeps the container from starting, and no more", async () => {
  const { id } = await world.containers.create(specOf(world, ["ls"], { user: "stranger" }));
  const error = await world.containers.start(id).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ code: "INVALID", message: expect.stringContaining('no user "stranger"') });
  expect(world.containers.get(id).state).toBe("created");
});

test("states are kept: what runs is not started, removed or renamed over", async () => {
  const { id } = await world.containers.create(specOf(world, ["sleep", "60"], { name: "busy" }));
  const wrong = { code: "WRONG_STATE" };
  expect(await world.containers.signal("busy", 15).catch((caught: unknown) => caught)).toMatchObject(wrong);
  await world.containers.start("busy");
  expect(world.containers.get(id.slice(0, 12))).toMatchObject({ id, state: "running" });
  expect(await world.containers.start("busy").catch((caught: unknown) => caught)).toMatchObject(wrong);
  expect(await world.containers.remove("busy").catch((caught: unknown) => caught)).toMatchObject(wrong);
  expect(await world.containers.resize("busy", 1, 1).catch((caught: unknown) => caught)).toMatchObject(wrong);
});

test("many at once", async () => {
  const results = await Promise.all(Array.from({ length: 40 }, (_, index) => shell(`exit ${index}`)));
  expect(results.map(({ exitCode }) => exitCode)).toEqual(Array.from({ length: 40 }, (_, index) => index));
});
