/**
 * Attacks by what a container is made of, through the command line: images whose paths lead out, builds, what an earlier
 * run left, a race of two containers for a mount point.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { exec, execOk } from "../src/common/exec.ts";
import type { Outcome } from "./support/installed.ts";
import { Target } from "./support/target.ts";
import { until } from "./support/world.ts";

const target = new Target();
const { installed, tiny, perl, host } = target;
const run = target.run.bind(target);
const up = "../../../../../../../../../../..";

beforeAll(() => target.prepare());

afterAll(() => target.close());

describe("hostile images", () => {
  /** A root of one static program, changed by `change`. */
  function image(name: string, change: (root: string) => void): string {
    const root = join(installed.directory, "images", name);
    mkdirSync(join(root, "bin"), { recursive: true });
    copyFileSync(join(tiny, "bin/probe"), join(root, "bin/probe"));
    for (const directory of ["dev", "proc", "sys", "etc", "run", "tmp"]) mkdirSync(join(root, directory));
    change(root);
    return root;
  }

  function replaced(root: string, path: string, text: string): void {
    rmSync(join(root, path), { recursive: true, force: true });
    symlinkSync(text, join(root, path));
  }

  test.each(["dev", "proc", "sys"])("/%s is a link: the container does not start", async (name) => {
    for (const text of [host, `${up}${host}`, "/etc", "/proc/self/root", "."]) {
      const root = image(name, (made) => replaced(made, name, text));
      const { exitCode, stderr } = await run([], root, "/bin/probe");
      expect([exitCode, stderr]).toEqual([125, expect.stringContaining(`/${name}`)]);
      target.expectUntouched();
      rmSync(root, { recursive: true });
    }
    const root = image(name, (made) => {
      rmSync(join(made, name), { recursive: true });
      writeFileSync(join(made, name), "a file");
    });
    expect((await run([], root, "/bin/probe")).exitCode).toBe(125);
  });

  test("/etc, its files and /run are links: what thaw writes stays inside", async () => {
    for (const [index, text] of [host, `${up}${host}`].entries()) {
      const changes: Record<string, (root: string) => void> = {
        etc: (root) => replaced(root, "etc", text),
        run: (root) => replaced(root, "run", text),
        files: (root) => {
          for (const file of ["hosts", "hostname", "resolv.conf", "passwd", "group", "mtab"])
            replaced(root, `etc/${file}`, `${text}/secret`);
        },
        chain: (root) => {
          replaced(root, "etc", "/tmp/a");
          symlinkSync(`../${up}`, join(root, "tmp/a"));
        },
      };
      for (const [name, change] of Object.entries(changes)) {
        const root = image(`${name}${index}`, change);
        const { stderr } = await run(["--hostname", "evil"], root, "/bin/probe", "64:39");
        expect([name, stderr.includes("the host's")]).toEqual([name, false]);
        target.expectUntouched();
      }
    }
  });

  test("a /dev/null that is none does not unmask anything", async () => {
    const root = join(installed.directory, "images", "null");
    await execOk(["cp", "-a", tiny, root]);
    symlinkSync(`${up}${host}/secret`, join(root, "dev/null"));
    symlinkSync("/proc/self/root/proc/sys", join(root, "dev/pts"));
    const { stdout } = await run(
      [],
      root,
      "sh",
      "-c",
      "cat /proc/interrupts /proc/timer_list; stat -c '%F %t:%T' /dev/null /proc/interrupts",
    );
    expect(stdout).toBe("character special file 1:3\ncharacter special file 1:3\n");
    target.expectUntouched();
  });

  test("whiteouts and odd files where directories should be", async () => {
    const root = image("whiteouts", (made) => {
      for (const name of ["dev", "etc", "run"]) rmSync(join(made, name), { recursive: true });
    });
    for (const name of ["dev", "etc", "run"]) await execOk(["mknod", join(root, name), "c", "0", "0"]);
    const { stdout } = await run([], root, "/bin/probe", "64:39");
    expect(stdout).toBe("0\n");
    const fifo = image("fifo", (made) => rmSync(join(made, "etc"), { recursive: true }));
    await execOk(["mkfifo", join(fifo, "etc")]);
    expect((await run([], fifo, "/bin/probe")).exitCode).toBe(125);
  });
});

describe("hostile builds", () => {
  beforeAll(() => mkdirSync(join(installed.directory, "out")));

  /** Builds a context with a link to the host's place in it. */
  async function build(name: string, dockerfile: readonly string[], ...options: string[]): Promise<Outcome> {
    const context = join(installed.directory, "contexts", name);
    mkdirSync(join(context, "bin"), { recursive: true });
    copyFileSync(join(tiny, "bin/probe"), join(context, "bin/probe"));
    symlinkSync(host, join(context, "link"));
    symlinkSync(join(host, "secret"), join(context, "file"));
    writeFileSync(join(context, "Dockerfile"), `${["FROM scratch", "COPY . /", ...dockerfile].join("\n")}\n`);
    return installed.thaw("build", "-t", name, ...options, context);
  }

  test("what is copied or made through a link of the image stays in the image", async () => {
    const builds = [
      ["COPY bin/probe /link/evil", "COPY bin/probe /file"],
      ["WORKDIR /link/made", "COPY bin/probe here", 'RUN ["/bin/probe", "64:39"]'],
      ["WORKDIR /proc/self/fd/4", 'RUN ["/bin/probe", "64:39"]'],
    ];
    const codes: number[] = [];
    for (const [index, steps] of builds.entries()) {
      codes.push((await build(`links${index}`, steps)).exitCode);
      target.expectUntouched();
    }
    expect(codes).toEqual([0, 0, 1]);
  });

  test("a RUN step is filtered like any container", async () => {
    const { stderr } = await build("steps", ['RUN ["/bin/probe", "64:272:0x10000000", "64:250:9999", "64:39"]']);
    expect(stderr).toContain("\n1\n1\n0\n");
  });

  test("nothing of the host comes into an image", async () => {
    for (const [index, source] of [
      "../../host/secret",
      "/../../host/secret",
      "file/../secret",
      "link/secret",
      "file",
      `${host}/secret`,
    ].entries()) {
      const name = `sources${index}`;
      const { exitCode } = await build(name, [`COPY ${source} /got`]);
      const out = join(installed.directory, "out", name);
      if (exitCode === 0) await installed.thaw("image", "export", name, out);
      const found = await exec(["grep", "-rl", "the host", out]);
      expect([source, found.stdout]).toEqual([source, ""]);
    }
  });

  test("an export does not follow the image's links, nor those that are there already", async () => {
    await build("exported", []);
    const out = join(installed.directory, "out", "exported");
    await installed.thaw("image", "export", "exported", out);
    expect(readlinkSync(join(out, "link"))).toBe(host);
    const trap = join(installed.directory, "out", "trap");
    mkdirSync(trap, { recursive: true });
    symlinkSync(host, join(trap, "bin"));
    await installed.thaw("image", "export", "exported", trap);
    target.expectUntouched();
  });
});

describe("what a container left", () => {
  test("links and pipes that it put in place of its files do not work on its next start", async () => {
    const steps = [
      "opendir(D, '/etc'); unlink(map { '/etc/' . $_ } grep { !/^\\./ } readdir(D))",
      "rmdir('/etc'); symlink($ARGV[0], '/etc')",
      "symlink($ARGV[0] . '/secret', '/etc/' . $_) for ('hosts', 'hostname', 'resolv.conf', 'passwd', 'group')",
      "my ($p, $g) = ('/etc/passwd', '/etc/group'); syscall(133, $_, 0010644, 0) for ($p, $g)",
      "rename('/tmp', '/old'); symlink($ARGV[0], '/tmp'); symlink('/proc/self/fd', '/work'); print 'done'",
    ];
    for (const kind of [1, 2, 3]) {
      const script = [steps[0], steps[kind], steps[4]].join("; ");
      const argv = ["/usr/bin/perl", "-e", script, `${up}${host}`];
      const made = await installed.thaw("create", "--name", "back", "--rootfs", perl, "--", ...argv);
      expect(made.exitCode).toBe(0);
      for (let starts = 0; starts < 2; starts++) {
        await installed.thaw("start", "back");
        await installed.thaw("wait", "back");
        target.expectUntouched();
      }
      expect((await installed.thaw("logs", "back")).stdout).toStartWith("done");
      await installed.thaw("rm", "-f", "back");
    }
  });
});

describe("races", () => {
  test("a second container that changes a link in a shared volume does not divert a mount", async () => {
    const volume = join(installed.directory, "volume");
    mkdirSync(join(volume, "real/deep"), { recursive: true });
    const flip = [
      "my ($n, $link, $dir) = (0, '/data/link', '/data/dir'); symlink('/../../../../../..' . $ARGV[0], $link); mkdir($dir);",
      // renameat2 with RENAME_EXCHANGE: there is always something of that name.
      "while (!-e '/data/stop') { syscall(316, -100, $link, -100, $dir, 2) == 0 && $n++ }",
      "print $n",
    ].join(" ");
    const share = ["-v", `${volume}:/data`];
    const flipping = run(share, perl, "/usr/bin/perl", "-e", flip, host);
    await until(() => existsSync(join(volume, "dir")));
    const outcomes: Outcome[] = [];
    for (let tries = 0; tries < 12; tries++) {
      const at = tries % 2 ? "/data/dir/made/here" : "/data/link/made";
      outcomes.push(await run([...share, "-v", `${tiny}/etc:${at}`], tiny, "sh", "-c", "echo ran"));
      target.expectUntouched();
    }
    writeFileSync(join(volume, "stop"), "");
    expect(Number((await flipping).stdout)).toBeGreaterThan(1000);
    // One that meets a change may be refused, never diverted.
    for (const { stdout, stderr } of outcomes) expect(stdout === "ran\n" || stderr.includes("/data/")).toBe(true);
    expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(host);
  });
});
