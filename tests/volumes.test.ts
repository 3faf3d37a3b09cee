/**
 * Binds and volumes: what containers share with the host and with each other, what outlives them, and what must not be
 * removed. The compiled program is used as it is installed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exec } from "../src/common/exec.ts";
import { Installed, type Outcome } from "./support/installed.ts";
import { makeTinyRoot } from "./support/root.ts";
import { until } from "./support/world.ts";

const installed = new Installed();
const root = join(installed.directory, "root");
const shared = join(installed.directory, "shared");

beforeAll(async () => {
  makeTinyRoot(root);
  mkdirSync(join(root, "srv/data"), { recursive: true });
  writeFileSync(join(root, "srv/data/seed"), "from the image\n");
  await exec(["chown", "-R", "1234:1235", join(root, "srv/data")]);
  await exec(["chmod", "750", join(root, "srv/data")]);
  mkdirSync(join(shared, "sub"), { recursive: true });
});

afterAll(async () => {
  await exec(["umount", "-R", shared]).catch(() => undefined);
  await installed.thaw("daemon", "stop", "--force");
  await until(() => installed.pids().length === 0);
  expect(await installed.leftovers()).toEqual([]);
  installed.remove();
});

/** Runs a shell script in a container that removes itself. */
function run(options: readonly string[], script: string): Promise<Outcome> {
  return installed.thaw("run", "--rm", ...options, "--rootfs", root, "--", "sh", "-c", script);
}

async function volumes(): Promise<string[]> {
  return (await installed.thaw("volume", "ls", "-q")).stdout.split("\n").filter(Boolean);
}

describe("a volume", () => {
  test("begins with what the image has there, is shared, and outlives its containers", async () => {
    const first = await run(
      ["-v", "data:/srv/data"],
      "cat /srv/data/seed; stat -c '%a %u:%g' /srv/data; echo more > /srv/data/more",
    );
    expect(first).toEqual({ exitCode: 0, stdout: "from the image\n750 1234:1235\n", stderr: "" });
    const second = await run(["--mount", "source=data,target=/other,readonly"], "cat /other/*; echo x > /other/no");
    expect(second.stdout).toBe("more\nfrom the image\n");
    expect(second.stderr).toContain("Read-only file system");
    const [details] = JSON.parse((await installed.thaw("volume", "inspect", "data")).stdout);
    expect(details).toMatchObject({
      Name: "data",
      Driver: "local",
      Mountpoint: join(installed.data, "volumes/data/_data"),
    });
    expect(readdirSync(details.Mountpoint).toSorted()).toEqual(["more", "seed"]);
    await installed.thaw("volume", "rm", "data");
    expect(existsSync(details.Mountpoint)).toBe(false);
  });

  test("is not filled when that is not wanted, or when it has something", async () => {
    expect((await run(["-v", "plain:/srv/data:nocopy"], "ls /srv/data; echo 1 > /srv/data/own")).stdout).toBe("");
    expect((await run(["-v", "plain:/srv/data"], "ls /srv/data")).stdout).toBe("own\n");
    await installed.thaw("volume", "rm", "plain");
  });

  test("is not removed while a container has it", async () => {
    expect((await installed.thaw("volume", "create", "kept")).stdout).toBe("kept\n");
    await installed.thaw("create", "--name", "keeper", "-v", "kept:/k", "--rootfs", root, "--", "true");
    const { exitCode, stderr } = await installed.thaw("volume", "rm", "kept");
    expect([exitCode, stderr]).toEqual([1, expect.stringContaining("the container keeper uses the volume kept")]);
    expect((await installed.thaw("volume", "prune", "-a")).stdout).not.toContain("kept");
    const [details] = JSON.parse((await installed.thaw("inspect", "keeper")).stdout);
    expect(details.Mounts).toEqual([
      expect.objectContaining({ Type: "volume", Name: "kept", Destination: "/k", RW: true }),
    ]);
    expect(details.HostConfig.Binds).toEqual(["kept:/k"]);
    await installed.thaw("rm", "keeper");
    expect((await installed.thaw("volume", "rm", "kept", "nosuch")).stderr).toContain('no volume is called "nosuch"');
    expect((await installed.thaw("volume", "rm", "-f", "nosuch")).exitCode).toBe(0);
  });

  test("without a name goes with its container when that removes itself, else with `rm -v` or `volume prune`", async () => {
    expect((await run(["-v", "/anon"], "echo x > /anon/x; cat /anon/x")).stdout).toBe("x\n");
    await until(async () => (await volumes()).length === 0);
    for (const name of ["one", "two"]) {
      await installed.thaw("create", "--name", name, "-v", "/anon", "--rootfs", root, "--", "true");
    }
    expect(await volumes()).toHaveLength(2);
    await installed.thaw("rm", "-v", "one");
    expect(await volumes()).toHaveLength(1);
    await installed.thaw("rm", "two");
    const [left = ""] = await volumes();
    expect((await installed.thaw("volume", "prune")).stdout).toBe(`${left}\nFreed 0B\n`);
    // Nothing is left of a container that could not be made, either.
    expect((await run(["-v", "/anon", "--tmpfs", "/anon"], "true")).stderr).toContain("the same place /anon");
    expect(await volumes()).toEqual([]);
  });

  test("can be had from another container", async () => {
    const options = ["--name", "giver", "-v", "given:/g", "-v", `${shared}:/h:ro`];
    await installed.thaw("create", ...options, "--rootfs", root, "--", "true");
    const { stdout, stderr } = await run(["--volumes-from", "giver:ro", "--tmpfs", "/h"], "ls -d /g /h; echo x > /g/x");
    // Two mounts in one place, one of them another's: as if it were asked for here.
    expect([stdout, stderr]).toEqual(["", expect.stringContaining("the same place /h")]);
    const taken = await run(["--volumes-from", "giver:ro"], "ls -d /g /h/sub; echo x > /g/x");
    expect(taken.stdout).toBe("/g\n/h/sub\n");
    expect(taken.stderr).toContain("Read-only file system");
    await installed.thaw("rm", "giver");
    await installed.thaw("volume", "rm", "given");
  });

  test("cannot divert another container's mounts by links that are put into it", async () => {
    const place = (await installed.thaw("volume", "create", "trap")).stdout.trim();
    const [{ Mountpoint }] = JSON.parse((await installed.thaw("volume", "inspect", place)).stdout);
    for (const [name, text] of Object.entries({ root: "../../../..", proc: "/proc/self", out: "/proc/1/root/etc" })) {
      symlinkSync(text, join(Mountpoint, name));
      const { stdout, stderr } = await run(["-v", "trap:/t", "-v", `${shared}:/t/${name}`], "echo started");
      expect([stdout, stderr]).toEqual(["", expect.stringMatching(/it leads to the container's root|\/t\/out: /)]);
    }
    // Links within the container are followed, inside it.
    symlinkSync("/tmp", join(Mountpoint, "within"));
    const { stdout } = await run(["-v", "trap:/t", "-v", `${shared}:/t/within:ro`], "ls -d /tmp/sub");
    expect(stdout).toBe("/tmp/sub\n");
    await installed.thaw("volume", "rm", "trap");
  });

  test("of a user namespace has the ids that its containers see", async () => {
    const { stdout } = await run(
      ["--userns", "auto", "-v", "mapped:/srv/data"],
      "stat -c %u:%g /srv/data/seed; : > /srv/data/new",
    );
    expect(stdout).toBe("1234:1235\n");
    const { Mountpoint } = JSON.parse((await installed.thaw("volume", "inspect", "mapped")).stdout)[0];
    expect(statSync(join(Mountpoint, "new")).uid).toBe(0);
    await installed.thaw("volume", "rm", "mapped");
  });
});

describe("a bind", () => {
  test("shows a directory or a file, for writing or reading, without its device nodes", async () => {
    writeFileSync(join(shared, "file"), "old\n");
    await exec(["mknod", "-m", "666", join(shared, "null"), "c", "1", "3"]);
    const options = ["-v", `${shared}:/rw`, "-v", `${join(shared, "file")}:/etc/one:ro`];
    const { stdout, stderr } = await run(
      options,
      "cat /etc/one; echo new > /rw/file; cat /etc/one; echo x > /etc/one; : > /rw/null",
    );
    expect(stdout).toBe("old\nnew\n");
    expect(stderr).toContain("/etc/one: Read-only file system");
    const node = await run(["--mount", `type=bind,source=${shared},target=/b`], "cat /b/null");
    expect(node.stderr).toContain("Permission denied");
    expect(readFileSync(join(shared, "file"), "utf8")).toBe("new\n");
  });

  test("of a directory that thaw itself works in shows nothing of how containers are made", async () => {
    const { stdout } = await run(
      ["-v", `${installed.directory}:/all:ro`],
      "ls /all; ls /all/run/stage; cat /proc/mounts",
    );
    expect(stdout).toContain("shared\n");
    expect(stdout).not.toContain("/all/run/stage");
  });

  test("sees the host's later mounts, and shows its own to the host, only as far as its propagation says", async () => {
    // A shared mount of its own, so that nothing of the machine's is touched.
    await exec(["mount", "--bind", shared, shared]);
    await exec(["mount", "--make-private", shared]);
    const refused = await run(["-v", `${shared}:/m:rslave`], "true");
    expect(refused.stderr).toContain("is not shared, as rslave needs");
    await exec(["mount", "--make-shared", shared]);
    const kinds = ["rprivate", "rslave", "rshared"];
    for (const kind of kinds) {
      const script = "while [ ! -e /m/sub/go ] && [ ! -e /m/stop ]; do sleep 0.02; done; [ -e /m/sub/go ] && echo seen";
      const options = ["-d", "--name", kind, "-v", `${shared}:/m:${kind}`];
      await installed.thaw("run", ...options, "--rootfs", root, "--", "sh", "-c", script);
    }
    await exec(["mount", "-t", "tmpfs", "tmpfs", join(shared, "sub")]);
    writeFileSync(join(shared, "sub/go"), "");
    for (const kind of kinds.slice(1)) expect((await installed.thaw("wait", kind)).stdout).toBe("0\n");
    writeFileSync(join(shared, "stop"), "");
    expect((await installed.thaw("wait", "rprivate")).stdout).toBe("1\n");
    for (const kind of kinds) await installed.thaw("rm", kind);
    await exec(["umount", join(shared, "sub")]);
    await exec(["rm", join(shared, "stop")]);
    // The other way: a mount that a container makes reaches the host from a shared bind alone.
    const mount = Bun.which("mount") ?? "";
    const options = ["--privileged", "-v", "/usr:/usr:ro", "-v", "/lib:/lib:ro", "-v", "/etc/fstab:/etc/fstab:ro"];
    for (const kind of kinds) {
      await run([...options, "-v", `${shared}:/m:${kind}`], `${mount} -t tmpfs tmpfs /m/sub && : > /m/sub/${kind}`);
    }
    expect(readdirSync(join(shared, "sub"))).toEqual(["rshared"]);
    await exec(["umount", "-R", shared]);
  });
});

test.each([
  [["-v", "/no/such/dir:/x"], "/no/such/dir does not exist"],
  [["-v", "data"], "--volume: expected"],
  [["-v", "a b:/x"], "Binds.0: expected source:target"],
  [["--mount", "type=bind,source=/usr,target=/x,bind-propagation=wild"], "Propagation"],
  [["--mount", "target=/x,what=ever"], "without what"],
  [["--volumes-from", "nobody"], 'no container is called "nobody"'],
])("%j is refused, and it is said why", async (options, message) => {
  const { exitCode, stderr } = await run(options, "echo started");
  expect(stderr).toContain(message);
  expect(stderr).toContain("hint: ");
  expect(exitCode).toBe(125);
  expect(await volumes()).toEqual([]);
});
