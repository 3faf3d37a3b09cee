/** Containers of podman's that go on in thaw. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { NETWORK, Podman, podmanMissing } from "./support/podman.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
const missing = typeof criu === "string" ? criu : podmanMissing();

/** A process that counts and its parent, which ends both when it is told to. */
const TREE = `$| = 1; unlink "/server.pl"; my $child = fork;
  if (!$child) { for (my $n = 1;; $n++) { print "tick $n ", -e "/server.pl" ? "there" : "gone", "\\n"; select undef, undef, undef, 0.02 } }
  $SIG{TERM} = sub { kill 9, $child; waitpid $child, 0; exit 7 }; sleep 1 while 1`;

describe.skipIf(missing !== undefined)(`podman's checkpoints${missing === undefined ? "" : ` (${missing})`}`, () => {
  const installed = new Installed();
  let podman: Podman;
  let port = 0;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    podman = new Podman(join(installed.directory, "podman"), criu);
    port = await freePort();
    await installed.buildPerlImage();
    const root = join(installed.directory, "perl");
    rmSync(join(root, "Dockerfile"));
    await Bun.$`tar -C ${root} -cf ${installed.directory}/perl.tar .`.quiet();
    await podman.run("network", "create", NETWORK);
    await podman.run("import", join(installed.directory, "perl.tar"), "perl");
  });

  afterAll(async () => {
    await podman.remove();
    await installed.thaw("daemon", "stop", "--force");
    await until(() => installed.pids().length === 0);
    const left = await installed.leftovers();
    installed.remove();
    expect(left).toEqual([]);
  });

  async function thaw(...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await installed.thaw(...argv);
    if (exitCode !== 0) throw new Error(`thaw ${argv.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  const fails = async (...argv: string[]) => (await installed.thaw(...argv)).stderr;

  async function ask(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: "close" } });
    return response.text();
  }

  async function start(options: readonly string[], program: readonly string[], line: string): Promise<void> {
    await podman.run("run", "-d", "--name", "web", ...options, "perl", "/usr/bin/perl", ...program);
    await until(async () => (await podman.run("logs", "web")).includes(line));
  }

  async function exported(name: string): Promise<string> {
    const file = join(installed.directory, name);
    await podman.run("container", "checkpoint", "--tcp-established", "--export", file, "web");
    await podman.run("rm", "-f", "web");
    return file;
  }

  test("a server goes on where it was, with its memory, its files and its port", async () => {
    await start(["--network", NETWORK, "-p", `127.0.0.1:${port}:8000`], ["/server.pl"], "listening");
    expect([await ask("/count"), await ask("/pid")]).toEqual(["1", "1"]);
    await ask("/write");
    const file = await exported("web.tar.zst");
    expect(await fails("checkpoint", "import", file)).toContain("--trust");
    expect(await fails("checkpoint", "import", "--trust", "--image", "other", file)).toContain("no image");
    await thaw("checkpoint", "import", "--trust", file);
    const [found] = JSON.parse(await thaw("checkpoint", "inspect", "web"));
    expect(found).toMatchObject({ engine: "criu", processes: 1, incompatibilities: [] });
    expect(found.reasons.join()).toContain("pid namespace of its own");
    for (const name of ["one", "two"]) {
      await thaw("restore", "--name", name, "web");
      expect([await ask("/count"), await ask("/read"), await ask("/pid")]).toEqual(["2", "1", "1"]);
      expect(await thaw("logs", name)).toContain("/count");
      expect(await fails("checkpoint", "create", name, "again")).toContain("without thaw's init");
      await thaw("rm", "-f", name);
    }
    expect(await fails("checkpoint", "export", "web", join(installed.directory, "x.tar"))).toContain("init");
    await thaw("checkpoint", "rm", "web");
  });

  test("a tree of processes without a network; what was deleted stays so, signals and the exit code arrive", async () => {
    await start(["--network", "none", "--hostname", "tree"], ["-e", TREE], "tick 1 gone");
    const file = await exported("tree.tar.gz");
    await thaw("checkpoint", "import", "--trust", "--name", "tree", file);
    await thaw("restore", "--name", "tree", "tree");
    await until(async () => /tick \d{3,} gone/.test(await thaw("logs", "tree")));
    // Of the ticks that podman logged none is told again.
    expect(await thaw("logs", "tree")).not.toContain("tick 1 ");
    await thaw("stop", "tree");
    const [{ State, Config }] = JSON.parse(await thaw("inspect", "tree"));
    expect([State.ExitCode, Config.Hostname]).toEqual([7, "tree"]);
    await thaw("rm", "tree");
    await thaw("checkpoint", "rm", "tree");
  });

  test("what a sandbox has no place for is refused, and nothing of it is left", async () => {
    await start(["--tmpfs", "/scratch", "--network", "none"], ["/server.pl"], "listening");
    const file = await exported("mounted.tar");
    expect(await fails("checkpoint", "import", "--trust", file)).toContain("other mounts than usual: /scratch");
    expect(await thaw("checkpoint", "ls", "-q")).toBe("");
  });
});
