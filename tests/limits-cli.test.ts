/** Limits, pausing and statistics as a user types them, with thaw's own command line and with Docker's. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { CommandLine } from "./support/cli.ts";

const isRoot = process.getuid?.() === 0;
const why = isRoot ? "" : " (needs root)";
const docker = Bun.which("docker");
let cli: CommandLine;

beforeAll(() => {
  cli = new CommandLine();
});

afterAll(async () => {
  await cli[Symbol.asyncDispose]();
});

/** Runs a command in the tiny root. */
function run(options: readonly string[], ...command: string[]) {
  return cli.thaw("run", ...options, "--network", "none", "--rootfs", cli.root, "--", ...command);
}

async function stateOf(name: string) {
  return JSON.parse((await cli.thaw("inspect", name)).stdout)[0];
}

describe.skipIf(!isRoot)(`limits${why}`, () => {
  test("who was killed for memory is told so, wherever one looks", async () => {
    const attached = await run(["--rm", "-m", "16m"], "tail", "/dev/zero");
    expect(attached).toMatchObject({ exitCode: 137, stderr: "thaw: killed: out of memory (limit 16m)\n" });
    await run(["-d", "--name", "greedy", "-m", "16m"], "sh", "-c", "tail /dev/zero; sleep 600");
    expect(await cli.thaw("wait", "greedy")).toMatchObject({
      stdout: "137\n",
      stderr: "thaw: greedy: killed: out of memory (limit 16m)\n",
    });
    expect((await cli.thaw("ps", "-a")).stdout).toMatch(/Exited \(137\) .* ago \(out of memory\)/);
    const { State } = await stateOf("greedy");
    expect(State).toMatchObject({ OOMKilled: true, ExitCode: 137, Error: "killed: out of memory (limit 16m)" });
    await cli.thaw("rm", "greedy");
  });

  test("limits are shown, changed and refused", async () => {
    await run(["-d", "--name", "bounded", "-m", "64m", "--cpus", "0.5", "--cpuset-cpus", "0"], "sleep", "600");
    const changed = await cli.thaw(
      "update",
      "--memory",
      "128m",
      "--memory-swap",
      "256m",
      "--pids-limit",
      "77",
      "bounded",
    );
    expect(changed).toEqual({ exitCode: 0, stdout: "bounded\n", stderr: "" });
    const { HostConfig } = await stateOf("bounded");
    const memory = { Memory: 128 << 20, MemorySwap: 256 << 20 };
    expect(HostConfig).toMatchObject({ ...memory, NanoCpus: 5e8, CpusetCpus: "0", PidsLimit: 77 });
    const refused = await cli.thaw("update", "--memory", "1m", "--pids-limit", "5", "bounded");
    expect(refused).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("is too small") });
    expect((await stateOf("bounded")).HostConfig.PidsLimit).toBe(77);
    expect((await cli.thaw("update", "bounded")).stderr).toContain("expected at least one limit");
    const disable = await run(["--oom-kill-disable"], "true");
    expect(disable.stderr).toContain("hangs for ever");
    const rate = await run(["--device-read-bps", "/dev/null:1m"], "true");
    expect(rate.stderr).toContain("/dev/null is not a block device");
    await cli.thaw("rm", "-f", "bounded");
  });

  test("pause, ps, stats, top, unpause", async () => {
    await run(["-d", "--name", "busy", "-m", "64m"], "sh", "-c", "while :; do :; done");
    const [sample] = (await cli.thaw("stats", "--no-stream", "--format", "json")).stdout.trim().split("\n");
    expect(JSON.parse(sample ?? "")).toMatchObject({
      Name: "busy",
      PIDs: "2",
      MemUsage: expect.stringMatching(/64MiB$/),
    });
    expect(Number.parseFloat(JSON.parse(sample ?? "").CPUPerc)).toBeGreaterThan(0);
    expect((await cli.thaw("stats", "--no-stream", "busy")).stdout).toMatch(
      /^CONTAINER ID +NAME +CPU %.*\n\S+ +busy +/,
    );
    expect((await cli.thaw("top", "busy")).stdout).toMatch(/^UID +PID .*\n.*thaw-init\n.*sh -c while/);
    expect(await cli.thaw("pause", "busy")).toMatchObject({ exitCode: 0, stdout: "busy\n" });
    expect((await cli.thaw("ps")).stdout).toContain("(Paused)");
    expect((await stateOf("busy")).State).toMatchObject({ Status: "paused", Running: true, Paused: true });
    const dump = await cli.thaw("checkpoint", "create", "busy", "c");
    expect(dump.stderr).toContain("busy is paused");
    expect(await cli.thaw("unpause", "busy")).toMatchObject({ exitCode: 0 });
    expect((await cli.thaw("unpause", "busy")).stderr).toContain("busy is not paused");
    expect(await cli.thaw("rm", "-f", "busy")).toMatchObject({ exitCode: 0 });
  });

  test.skipIf(docker === null)(
    `Docker's command line does the same${docker === null ? " (needs docker)" : ""}`,
    async () => {
      const dock = async (...argv: string[]) => {
        const env = { ...cli.env, DOCKER_HOST: `unix://${join(cli.run, "thaw.sock")}`, HOME: cli.directory };
        const child = Bun.spawn([docker ?? "", ...argv], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
        const text = await new Response(child.stdout).text();
        expect([await child.exited, await new Response(child.stderr).text()]).toEqual([0, ""]);
        return text.trim();
      };
      await run(["-d", "--name", "docked", "-m", "64m"], "sh", "-c", "while :; do :; done");
      const format = ["--format", "{{.Name}} {{.PIDs}} {{.CPUPerc}} {{.MemUsage}}"];
      const fields = (await dock("stats", "--no-stream", ...format)).split(" ");
      expect([fields[0], fields[1], fields.at(-1)]).toEqual(["docked", "2", "64MiB"]);
      expect(Number.parseFloat(fields[2] ?? "")).toBeGreaterThan(0);
      await dock("update", "--memory", "96m", "--memory-swap", "96m", "--cpus", "0.5", "docked");
      await dock("pause", "docked");
      const shown = "{{.State.Status}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}";
      expect(await dock("inspect", "--format", shown, "docked")).toBe(`paused ${96 << 20} 500000000`);
      await dock("unpause", "docked");
      expect(await dock("top", "docked")).toContain("sh -c while");
      await dock("rm", "-f", "docked");
    },
  );
});
