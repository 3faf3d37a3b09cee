/** The command line from source, with directories of its own and a tiny root to run things in. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Cgroups, detectCgroups } from "../../src/sandbox/index.ts";
import { makeTinyRoot } from "./root.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;

export interface Outcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class CommandLine implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  readonly root = join(this.directory, "root");
  readonly run = join(this.directory, "run");
  /** What runs `thaw`. */
  readonly argv = [process.execPath, MAIN];
  readonly env: Record<string, string> = {
    ...Object.fromEntries(
      Object.entries(process.env).filter((entry): entry is [string, string] => entry[1] !== undefined),
    ),
    THAW_DATA: join(this.directory, "data"),
    THAW_RUN: this.run,
  };

  constructor() {
    makeTinyRoot(this.root);
  }

  /** Starts `thaw ARGV`; `stdin` is what it reads. */
  start(argv: readonly string[], stdin: Uint8Array | "ignore" | "pipe" = "ignore", prefix: readonly string[] = []) {
    const { env, directory: cwd } = this;
    return Bun.spawn([...prefix, ...this.argv, ...argv], { env, cwd, stdin, stdout: "pipe", stderr: "pipe" });
  }

  /** Runs `thaw ARGV` to its end. */
  thaw(...argv: string[]): Promise<Outcome> {
    return outcome(this.start(argv));
  }

  /** The same with input. */
  fed(stdin: Uint8Array, ...argv: string[]): Promise<Outcome> {
    return outcome(this.start(argv, stdin));
  }

  /** Runs a command in a new container of the tiny root. */
  inRoot(...command: string[]): Promise<Outcome> {
    return this.thaw("run", "--rm", "--rootfs", this.root, "--", ...command);
  }

  /** The daemon's pid. */
  async daemonPid(): Promise<number> {
    const { stdout } = await this.thaw("daemon", "status", "--json");
    return JSON.parse(stdout).pid;
  }

  /** What a stopped thaw should not have left: mounts and cgroups. */
  leftovers(): string[] {
    const { layout, parent } = new Cgroups(detectCgroups(), this.run);
    const groups = layout.hierarchies.map(({ mount }) => join(mount, parent)).filter(existsSync);
    const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
    return [...groups, ...mounts.filter((line) => line.includes(this.directory))];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.thaw("daemon", "stop", "--force");
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** What a started command came to. */
export async function outcome(child: Bun.Subprocess<"ignore" | "pipe" | Uint8Array, "pipe", "pipe">): Promise<Outcome> {
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { exitCode: await child.exited, stdout: texts[0], stderr: texts[1] };
}
