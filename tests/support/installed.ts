/**
 * thaw as it is installed: the compiled program with directories of its own, driven by its command line, and its
 * processes found by what they were started with, so that a test can kill them.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../../src/common/exec.ts";
import { INTERFACE_PREFIX, NFT_ENV } from "../../src/network/table.ts";
import { Cgroups, detectCgroups } from "../../src/sandbox/index.ts";
import { makePerlRoot } from "./perl-root.ts";

const THAW = new URL("../../dist/thaw", import.meta.url).pathname;

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Installed {
  readonly directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  readonly data = join(this.directory, "data");
  readonly run = join(this.directory, "run");

  get #env(): Record<string, string> {
    const cache = process.env.THAW_CACHE;
    return {
      PATH: process.env.PATH ?? "",
      HOME: this.directory,
      THAW_DATA: this.data,
      THAW_RUN: this.run,
      ...(cache === undefined ? {} : { THAW_CACHE: cache }),
    };
  }

  /** Runs `thaw ARGV` to its end. */
  async thaw(...argv: string[]): Promise<Outcome> {
    const child = this.start(...argv);
    const [stdout, stderr] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
    return { exitCode: await child.exited, stdout, stderr };
  }

  /** Starts `thaw ARGV`. */
  start(...argv: string[]) {
    return Bun.spawn([THAW, ...argv], {
      env: this.#env,
      cwd: this.directory,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
  }

  /** An image `perl` of the host's perl and the test server; needs no network and no mmdebstrap. */
  async buildPerlImage(): Promise<void> {
    const context = join(this.directory, "perl");
    await makePerlRoot(context);
    writeFileSync(join(context, "Dockerfile"), 'FROM scratch\nCOPY . /\nCMD ["/usr/bin/perl", "/server.pl"]\n');
    const { exitCode, stderr } = await this.thaw("build", "-t", "perl", context);
    if (exitCode !== 0) throw new Error(stderr);
  }

  /** A compose file with one service of that image. */
  composeFile(name: string, port: number, idle: string, tier = "auto"): string {
    const file = join(this.directory, `${name}.yaml`);
    const thaw = `    x-thaw:\n      idle: ${idle}\n      tier: ${tier}\n      checkpoint: { when: ready, warmup: ["/count"] }\n`;
    writeFileSync(file, `services:\n  ${name}:\n    image: perl\n    ports: ["127.0.0.1:${port}:8000"]\n${thaw}`);
    return file;
  }

  daemonPids(): number[] {
    return this.#pids((argv) => argv.includes("daemon"));
  }

  launcherPids(): number[] {
    // Those that it has just made have its command line, too.
    const named = (pid: number) => commOf(pid) === "thaw-launcher";
    return this.#pids((argv) => argv.includes("--channel") && argv.includes("serve")).filter(named);
  }

  /** The process that keeps the launcher's sockets: its parent at first, later one that it started. */
  keeperPids(): number[] {
    return this.#pids((argv) => argv.includes("keep") || (argv.includes("serve") && !argv.includes("--channel")));
  }

  /** All of ours: daemon, launcher, keeper, sandboxes. */
  pids(): number[] {
    return this.#pids(() => true);
  }

  #pids(wanted: (argv: readonly string[]) => boolean): number[] {
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && this.#isOurs(pid, wanted));
  }

  #isOurs(pid: number, wanted: (argv: readonly string[]) => boolean): boolean {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
      const env = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
      const ours = env.includes(`THAW_RUN=${this.run}`) || argv.includes(join(this.run, "launcher.sock"));
      const program = `${readlinkSync(`/proc/${pid}/exe`)} ${argv[0]}`;
      return ours && program.includes("thaw") && wanted(argv);
    } catch {
      return false; // It ended meanwhile, or is a kernel thread.
    }
  }

  /** What of this thaw is in the kernel or on the disk and should not be, once it has been stopped. */
  async leftovers(): Promise<string[]> {
    const cgroups = new Cgroups(detectCgroups(), this.run);
    const directories = ["containers", "checkpoints", "tmp"].flatMap((name) => {
      const path = join(this.data, name);
      return existsSync(path) ? readdirSync(path).map((entry) => `${name}/${entry}`) : [];
    });
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    const digits = cgroups.parent.slice("thaw-".length);
    const interfaces = readdirSync("/sys/class/net").filter((name) =>
      name.startsWith(INTERFACE_PREFIX + digits.slice(0, 6)),
    );
    // A machine without nft has no tables.
    const { stdout: tables } = await exec(["nft", "list", "tables"], { env: NFT_ENV }).catch(() => ({ stdout: "" }));
    const parents = cgroups.layout.hierarchies.map(({ mount }) => join(mount, cgroups.parent));
    return [
      ...this.pids().map(
        (pid) => `process ${pid} ${readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ")}`,
      ),
      ...parents.filter((path) => existsSync(path)).map((path) => `cgroup ${path}`),
      ...mounts.filter((line) => line.includes(this.directory)).map((line) => `mount ${line}`),
      ...interfaces.map((name) => `interface ${name}`),
      ...tables.split("\n").filter((line) => line.endsWith(cgroups.parent)),
      ...directories,
    ];
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function commOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return ""; // It ended meanwhile.
  }
}
