/**
 * thaw as a user types it: the command line from source, the daemon that it starts, real containers.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { CommandLine, outcome } from "./support/cli.ts";
import { mappedIdsMissing } from "./support/mapped-ids.ts";
import { statusOf } from "./support/world.ts";

const isRoot = process.getuid?.() === 0;
const described = describe.skipIf(!isRoot);
const why = isRoot ? "" : " (needs root)";
let cli: CommandLine;

beforeAll(() => {
  cli = new CommandLine();
});

afterAll(async () => {
  await cli[Symbol.asyncDispose]();
});

/** Starts a container in the background; it prints `up` and runs until it is told to end. */
async function background(name: string): Promise<void> {
  const script = "trap 'echo bye; exit 4' TERM; echo up; echo warn >&2; while :; do sleep 0.05; done";
  const { exitCode, stderr } = await cli.thaw(
    "run",
    "-d",
    "--name",
    name,
    "--rootfs",
    cli.root,
    "--",
    "/bin/sh",
    "-c",
    script,
  );
  expect([exitCode, stderr]).toEqual([0, ""]);
  await printed(name, "up");
}

/** Resolves when the container has printed a line. */
async function printed(name: string, line: string): Promise<void> {
  const child = cli.start(["logs", "-f", name]);
  let text = "";
  for await (const chunk of child.stdout) {
    text += Buffer.from(chunk).toString();
    if (text.includes(`${line}\n`)) break;
  }
  child.kill();
}

described(`the daemon${why}`, () => {
  test("is started by the first command, once, however many come at once", async () => {
    const all = await Promise.all([cli.thaw("ps"), cli.thaw("ps"), cli.thaw("images"), cli.thaw("services")]);
    expect(all.map(({ exitCode, stderr }) => [exitCode, stderr])).toEqual(Array(4).fill([0, ""]));
    const { exitCode, stderr } = await cli.thaw("daemon");
    expect(exitCode).toBe(1);
    expect(stderr).toContain("runs already in");
  });

  const somebody = ["env", "-C", "/", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
  const barred = Bun.spawnSync([...somebody, "test", "-r", import.meta.path]).exitCode !== 0;

  test.skipIf(barred)(
    `does not serve everybody${barred ? " (needs a clone that everybody may read)" : ""}`,
    async () => {
      const child = cli.start(["ps"], "ignore", somebody);
      const { exitCode, stderr } = await outcome(child);
      expect(exitCode).toBe(1);
      expect(stderr).toMatch(/thaw: .*\n {2}hint: Run .*as root/);
    },
  );

  test("may be killed: its containers go on, and their ends are known to the next one", async () => {
    const script = "while [ ! -e /tmp/go ]; do sleep 0.05; done; exit 9";
    const shared = join(cli.directory, "shared");
    mkdirSync(shared);
    await cli.thaw(
      "run",
      "-d",
      "--name",
      "survivor",
      "-v",
      `${shared}:/tmp`,
      "--rootfs",
      cli.root,
      "--",
      "/bin/sh",
      "-c",
      script,
    );
    process.kill(await cli.daemonPid(), "SIGKILL");
    expect((await cli.thaw("ps")).stdout).toContain("survivor");
    writeFileSync(join(shared, "go"), "");
    expect((await cli.thaw("wait", "survivor")).stdout).toBe("9\n");
    expect((await cli.thaw("rm", "survivor")).exitCode).toBe(0);
  });
});

described(`thaw run${why}`, () => {
  test("passes stdout, stderr and the exit code", async () => {
    expect(await cli.inRoot("/bin/sh", "-c", "echo out; echo err >&2; exit 7")).toEqual({
      exitCode: 7,
      stdout: "out\n",
      stderr: "err\n",
    });
    expect((await cli.inRoot("/bin/sh", "-c", "kill -9 $$")).exitCode).toBe(137);
  });

  test("passes a piped stdin and its end, and lots of bytes unchanged", async () => {
    const bytes = new Uint8Array(3_000_000).map((_, i) => 33 + (i % 94));
    const { stdout, exitCode } = await cli.fed(bytes, "run", "--rm", "--rootfs", cli.root, "--", "/bin/cat");
    expect([exitCode, stdout === Buffer.from(bytes).toString()]).toEqual([0, true]);
  });

  test("does not wait for an input that nobody ends", async () => {
    const child = cli.start(["run", "--rm", "--rootfs", cli.root, "--", "/bin/sh", "-c", "exit 3"], "pipe");
    expect(await child.exited).toBe(3);
  });

  test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)("passes %s", async (signal) => {
    const script = "trap 'echo got; exit 5' TERM INT HUP; echo ready; while :; do sleep 0.05; done";
    const child = cli.start(["run", "--rm", "--rootfs", cli.root, "--", "/bin/sh", "-c", script]);
    let text = "";
    for await (const chunk of child.stdout) {
      text += Buffer.from(chunk).toString();
      if (text === "ready\n") child.kill(signal);
    }
    expect([text, await child.exited]).toEqual(["ready\ngot\n", 5]);
  });

  test("ends like a program whose reader has gone", async () => {
    const line = [
      "run",
      "--rm",
      "--name",
      "spout",
      "--rootfs",
      cli.root,
      "--",
      "/bin/sh",
      "-c",
      "while :; do echo y; done",
    ];
    const child = cli.start(line);
    await child.stdout.getReader().read();
    const piped = Bun.spawn(["bash", "-c", `"$@" | head -1`, "bash", ...cli.argv, ...line.with(3, "spout2")], {
      env: cli.env,
      stdout: "pipe",
    });
    expect(await new Response(piped.stdout).text()).toBe("y\n");
    child.kill("SIGKILL");
    await cli.thaw("rm", "-f", "spout");
    expect((await cli.thaw("ps")).stdout).not.toContain("spout");
  });

  test("-t gives a terminal of this terminal's size", async () => {
    const command = [
      ...cli.argv,
      "run",
      "--rm",
      "-it",
      "--rootfs",
      cli.root,
      "--",
      "/bin/sh",
      "-c",
      '\'while [ "$(stty size)" = "0 0" ]; do :; done; stty size; tty; exit 6\'',
    ];
    const argv = ["script", "-qec", `stty rows 33 cols 101; ${command.join(" ")}`, "/dev/null"];
    const child = Bun.spawn(argv, { env: cli.env, stdin: "pipe", stdout: "pipe", stderr: "pipe" });
    const { stdout, exitCode } = await outcome(child);
    expect(stdout).toContain("/dev/pts/");
    expect(stdout).toContain("33 101");
    expect(exitCode).toBe(6);
  });

  test("takes environment, directory, user, host name and binds", async () => {
    writeFileSync(join(cli.directory, "vars"), "# comment\nA=file\n\nB=file\n");
    const script = "echo $A $B; pwd; id -u; cat /etc/hostname; cat /mnt/note; echo x > /mnt/note || echo refused";
    const note = join(cli.directory, "bound");
    mkdirSync(note);
    writeFileSync(join(note, "note"), "noted\n");
    const options = [
      "-e",
      "B=b",
      "--env-file",
      "vars",
      "-w",
      "/tmp",
      "-u",
      "tester",
      "--hostname",
      "there",
      "-v",
      "./bound:/mnt:ro",
    ];
    const result = await cli.thaw("run", "--rm", ...options, "--rootfs", "root", "--", "/bin/sh", "-c", script);
    expect(result.stdout).toBe("file b\n/tmp\n1234\nthere\nnoted\nrefused\n");
  });

  const missing = mappedIdsMissing();
  test.skipIf(missing !== "")(
    `--userns auto gives ids, inspect shows them, checkpoints are refused${missing}`,
    async () => {
      const { stdout: id } = await cli.thaw(
        "run",
        "-d",
        "--userns",
        "auto",
        "--rootfs",
        "root",
        "--",
        "/bin/sleep",
        "99",
      );
      const [details] = JSON.parse((await cli.thaw("inspect", id.trim())).stdout);
      expect(details.HostConfig.UsernsMode).toBe("auto");
      expect(details.HostConfig.IDMappings.UidMap).toEqual([expect.stringMatching(/^0:\d{7,10}:65536$/)]);
      expect(statusOf(details.State.Pid, "Uid")).toStartWith(details.HostConfig.IDMappings.UidMap[0].split(":")[1]);
      const refused = await cli.thaw("checkpoint", "create", id.trim(), "never");
      expect(refused.stderr).toMatch(/has a user namespace.*\n {2}hint: /);
      await cli.thaw("rm", "-f", id.trim());
      const odd = await cli.thaw("run", "--userns", "keep-id", "--rootfs", "root", "--", "/bin/true");
      expect([odd.exitCode, odd.stderr]).toEqual([125, expect.stringContaining("expected auto or host")]);
    },
  );

  test("changes nothing in the directory it runs in", async () => {
    await cli.inRoot("/bin/sh", "-c", "echo x > /new; echo y > /etc/passwd");
    expect(existsSync(join(cli.root, "new"))).toBe(false);
    expect(readFileSync(join(cli.root, "etc/passwd"), "utf8")).toStartWith("root:");
  });

  test("a limit holds: too many processes, too much memory", async () => {
    const limited =
      (...options: string[]) =>
      (script: string) =>
        cli.thaw("run", "--rm", ...options, "--rootfs", cli.root, "--", "/bin/sh", "-c", script);
    const forked = await limited("--pids-limit", "5")("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait");
    expect(forked.stderr).toContain("fork");
    const filled = await limited("-m", "16m")("dd if=/dev/zero of=/dev/null bs=64M count=1");
    expect(filled.exitCode).not.toBe(0);
  });

  test.each([
    [["nosuch"], 127, "no such program"],
    [["/bin/not-executable"], 126, "cannot be run"],
  ])("%j exits with %d", async (command, exitCode, message) => {
    for (const more of [["--rm"], ["-d"], []]) {
      const result = await cli.thaw("run", ...more, "--rootfs", cli.root, "--", ...command);
      expect(result.exitCode).toBe(exitCode);
      expect(result.stderr).toMatch(new RegExp(`^thaw: .*${message}.*\\n {2}hint: .*\\n$`));
    }
    expect((await cli.thaw("ps", "-aq")).stdout).toBe("");
  });

  test.each([
    [["--rootfs", "/none", "--", "x"], "/none does not exist"],
    [["nosuchimage"], 'no image "nosuchimage"'],
    [["-p", "80/sctp", "hello"], "--publish: expected [[ADDRESS:]HOST-PORT:]CONTAINER-PORT[/udp] such as 8001:8000"],
    [["-m", "lots", "hello"], '--memory: expected a size such as 512m or 1.5g, got "lots"'],
    [["--network", "none", "--network", "host", "hello"], "--network: expected none alone"],
    [["--memroy", "1m", "hello"], "unknown option '--memroy'"],
    [[], "expected an image"],
  ])("%j is refused with 125", async (options, message) => {
    const { exitCode, stdout, stderr } = await cli.thaw("run", ...options);
    expect([exitCode, stdout]).toEqual([125, ""]);
    expect(stderr).toContain(`thaw: `);
    expect(stderr).toContain(message);
    expect(stderr).toMatch(/\n {2}hint: .+\n$/);
  });
});

described(`a container in the background${why}`, () => {
  test("is listed, followed, signalled, stopped, waited for and removed", async () => {
    await background("web");
    expect((await cli.thaw("ps")).stdout).toMatch(/^CONTAINER ID .*NAMES\n[0-9a-f]{12} .* Up .* web\n$/);
    const [row] = (await cli.thaw("ps", "--format", "json")).stdout.split("\n").map((line) => line && JSON.parse(line));
    expect(row.Names).toEqual(["/web"]);
    expect(await cli.thaw("logs", "web")).toEqual({ exitCode: 0, stdout: "up\n", stderr: "warn\n" });
    expect((await cli.thaw("logs", "-t", "--tail", "1", "web")).stderr).toMatch(/^20\d\d-.*Z warn\n$/);
    expect(JSON.parse((await cli.thaw("inspect", "web")).stdout)[0].State.Running).toBe(true);
    expect((await cli.thaw("rm", "web")).stderr).toContain("thaw stop web");
    const waiting = cli.thaw("wait", "web");
    const following = cli.thaw("logs", "-f", "web");
    expect(await cli.thaw("stop", "web")).toEqual({ exitCode: 0, stdout: "web\n", stderr: "" });
    expect((await waiting).stdout).toBe("4\n");
    expect((await following).stdout).toBe("up\nbye\n");
    expect((await cli.thaw("ps", "-a")).stdout).toContain("Exited (4) ");
    expect(await cli.thaw("restart", "web")).toEqual({ exitCode: 0, stdout: "web\n", stderr: "" });
    expect((await cli.thaw("restart", "-t", "0", "web")).stdout).toBe("web\n");
    expect((await cli.thaw("ps", "-q")).stdout).not.toBe("");
    expect((await cli.thaw("stop", "-t", "0", "web")).stdout).toBe("web\n");
    expect((await cli.thaw("rm", "web")).stdout).toBe("web\n");
    expect((await cli.thaw("ps", "-aq")).stdout).toBe("");
  });

  test("a name is taken only once, and several names are done although one fails", async () => {
    await background("one");
    const again = await cli.thaw("run", "-d", "--name", "one", "--rootfs", cli.root, "--", "/bin/sleep", "9");
    expect([again.exitCode, again.stderr.includes("one")]).toEqual([125, true]);
    const { exitCode, stdout, stderr } = await cli.thaw("rm", "-f", "nosuch", "one");
    expect([exitCode, stdout]).toEqual([1, "one\n"]);
    expect(stderr).toContain("nosuch");
    expect((await cli.thaw("kill", "one")).stderr).toContain('no container is called "one"');
  });
});

described(`images${why}`, () => {
  test("are built, listed, run, exported and removed", async () => {
    const context = join(cli.directory, "root");
    writeFileSync(
      join(context, "Dockerfile"),
      'FROM scratch\nCOPY . /\nRUN echo made > /made\nENV A=1\nCMD ["/bin/cat", "/made"]\n',
    );
    const built = await cli.thaw("build", "-t", "tiny", "--rootfs", "exported", context);
    expect(built.stderr).toContain("RUN");
    expect([built.exitCode, built.stdout.split("\n")[0]]).toEqual([0, expect.stringMatching(/^Built tiny \(sha256:/)]);
    expect(readFileSync(join(cli.directory, "exported/made"), "utf8")).toBe("made\n");
    expect((await cli.thaw("images")).stdout).toMatch(/\ntiny +latest +[0-9a-f]{12} /);
    expect(await cli.thaw("run", "--rm", "tiny")).toEqual({ exitCode: 0, stdout: "made\n", stderr: "" });
    expect((await cli.thaw("image", "export", "tiny", "again")).exitCode).toBe(0);
    expect(readdirSync(join(cli.directory, "again"))).toEqual(readdirSync(join(cli.directory, "exported")));
    expect((await cli.thaw("image", "export", "tiny", "again")).stderr).toContain("not empty");

    await cli.thaw("run", "--name", "user", "tiny");
    expect((await cli.thaw("rmi", "tiny")).stderr).toContain("used by the container user");
    await cli.thaw("rm", "user");
    expect((await cli.thaw("image", "rm", "tiny")).stdout).toStartWith("Untagged: tiny:latest\nDeleted: sha256:");
    expect((await cli.thaw("images", "-q")).stdout).toBe("");
  });

  test("a build that fails says where, and leaves nothing", async () => {
    const context = join(cli.directory, "bad");
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY nothing /\n");
    const { exitCode, stderr } = await cli.thaw("build", "-t", "bad", context);
    expect(exitCode).toBe(1);
    expect(stderr).toContain("nothing");
    expect((await cli.thaw("images", "-q")).stdout).toBe("");
  });
});

described(`compose files${why}`, () => {
  const compose = (name: string, text: string) => {
    const file = join(cli.directory, name);
    writeFileSync(file, text);
    return file;
  };

  test("a typo and a port in use are told plainly, and nothing is left of either", async () => {
    const typo = compose("typo.yaml", 'services:\n  web:\n    imagee: a\n    ports: ["1:2"]\n');
    expect(await cli.thaw("up", "-f", typo)).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: `thaw: ${typo}:3: unknown key \`imagee\` in services.web\n  hint: Did you mean \`image\`?\n`,
    });
    const server = createServer().listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    const port = typeof address === "object" ? address?.port : 0;
    const context = join(cli.directory, "service");
    mkdirSync(context);
    writeFileSync(join(context, "Dockerfile"), 'FROM scratch\nCOPY file /\nCMD ["/x"]\n');
    writeFileSync(join(context, "file"), "");
    const taken = compose("taken.yaml", `services:\n  web:\n    build: service\n    ports: ["127.0.0.1:${port}:80"]\n`);
    const { exitCode, stderr } = await cli.thaw("up", "-f", taken);
    server.close();
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`thaw: 127.0.0.1:${port} is in use by another program\\n {2}hint: `));
    expect((await cli.thaw("services", "--json")).stdout).toBe("[]\n");
    expect((await cli.thaw("down", "-p", "none")).stdout).toBe("none: 0 services removed\n");
  });
});

described(`the end${why}`, () => {
  test("is refused while something runs, unless forced; then nothing is left in the kernel", async () => {
    await background("last");
    const refused = await cli.thaw("daemon", "stop");
    expect([refused.exitCode, refused.stderr.includes("containers run")]).toEqual([1, true]);
    expect(await cli.thaw("daemon", "stop", "--force")).toEqual({
      exitCode: 0,
      stdout: "the daemon has stopped\n",
      stderr: "",
    });
    expect(cli.leftovers()).toEqual([]);
    const status = await cli.thaw("daemon", "status");
    expect([status.exitCode, status.stderr.includes("does not answer")]).toEqual([1, true]);
    expect((await cli.thaw("ps", "-a")).stdout).toMatch(/Exited \(\d+\) .* last\n/);
    await cli.thaw("rm", "last");
  });
});
