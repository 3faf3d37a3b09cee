/** Checkpoints as users make them: when they are due, what is told about them, taken elsewhere and back. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { CheckpointAnswer } from "../src/api/thaw.ts";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();

describe.skipIf(typeof criu === "string")(`thaw checkpoint${typeof criu === "string" ? ` (${criu})` : ""}`, () => {
  const installed = new Installed();
  let port = 0;

  beforeAll(async () => {
    port = await freePort();
    await installed.buildPerlImage();
  });

  afterAll(async () => {
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

  async function inspect(name: string): Promise<CheckpointAnswer> {
    const [found] = JSON.parse(await thaw("checkpoint", "inspect", name));
    return found;
  }

  async function ask(path: string): Promise<string> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { connection: "close" } });
    return response.text();
  }

  const run = (name: string, ...options: string[]) =>
    thaw("run", "-d", "--name", name, "-p", `127.0.0.1:${port}:8000`, ...options, "perl");

  async function serve(name: string): Promise<void> {
    await run(name);
    await until(async () => (await thaw("logs", name)).includes("listening"));
  }

  /** Whether a command that was started has ended. */
  const ended = (child: ReturnType<Installed["start"]>) => child.exitCode !== null;

  test("--when-healthy waits for the answer, --warm asks before the dump", async () => {
    await run("late", "-e", "THAW_TEST_DELAY=0.4");
    const made = await thaw("checkpoint", "create", "late", "late-1", "--when-healthy", "/count", "--warm", "/count");
    expect(made).toMatch(/^late-1: .*, frozen for [\d.]+ ms$/);
    await thaw("rm", "late");
    await thaw("restore", "--name", "late", "late-1");
    // One for the health, one to warm up.
    expect(await ask("/count")).toBe("3");
    await thaw("rm", "-f", "late");
    await thaw("checkpoint", "rm", "late-1");
  });

  test("--when-log waits for a line, --after-requests for connections, and the container goes on", async () => {
    await serve("web");
    const logged = installed.start(
      "checkpoint",
      "create",
      "--leave-running",
      "--when-log",
      "^/marker",
      "web",
      "web-log",
    );
    await ask("/other");
    expect(ended(logged)).toBe(false);
    await ask("/marker");
    expect(await logged.exited).toBe(0);
    const counted = installed.start("checkpoint", "create", "--leave-running", "--after-requests", "3", "web", "web-3");
    // It counts from when it was asked for: a few more are sent than it needs.
    for (let n = 1; !ended(counted); n++) {
      await ask("/count");
      if (n < 3) expect(ended(counted)).toBe(false);
    }
    expect(await counted.exited).toBe(0);
    expect(await ask("/pid")).toBe("2");
    await thaw("rm", "-f", "web");
    await thaw("checkpoint", "rm", "web-log", "web-3");
  });

  test("what never comes: the time passes, the container ends, the caller goes; nothing is left", async () => {
    await serve("web");
    const create = ["checkpoint", "create", "--after-requests", "1000"];
    const late = await installed.thaw(...create, "--timeout", "200ms", "web", "never");
    expect(late.stderr).toContain("was not due in time");
    const bad = await installed.thaw("checkpoint", "create", "--warm", "/broken", "web", "never");
    expect(bad.stderr).toContain("GET /broken: expected an answer below 400, got 500");
    const gone = installed.start(...create, "web", "never");
    await Bun.sleep(100);
    gone.kill("SIGKILL");
    expect(await ask("/pid")).toBe("2");
    const over = installed.start(...create, "web", "never");
    await Bun.sleep(100);
    await thaw("stop", "-t", "1", "web");
    expect(await over.exited).toBe(1);
    expect(await new Response(over.stderr).text()).toContain("before its checkpoint was due");
    expect(await thaw("checkpoint", "ls", "-q")).toBe("");
    await thaw("rm", "web");
  });

  test("inspect counts what was dumped and says what it needs and takes", async () => {
    await serve("web");
    await thaw("checkpoint", "create", "web", "web-1");
    const found = await inspect("web-1");
    expect(found).toMatchObject({ engine: "thaw", processes: 1, threads: 1, incompatibilities: [] });
    expect(found.vmas).toBeGreaterThan(10);
    expect(found.descriptors).toBeGreaterThan(3);
    expect(found.storedBytes).toBeGreaterThan(found.pagesBytes / 2);
    expect(found.machine).toMatchObject({ criu: expect.any(String), kernelRelease: expect.any(String) });
    await thaw("rm", "web");
    await thaw("checkpoint", "rm", "web-1");
  });

  test.each(["warm.tar.zst", "warm.tar.gz", "warm.tar"])(
    "taken away as %s and brought back, it goes on where it was",
    async (name) => {
      await serve("web");
      expect(await ask("/count")).toBe("1");
      await ask("/write");
      await thaw("checkpoint", "create", "web", "warm");
      const file = join(installed.directory, name);
      const digest = /sha256:[0-9a-f]{64}/.exec(await thaw("checkpoint", "export", "warm", file))?.[0] ?? "";
      expect((await installed.thaw("checkpoint", "export", "warm", file)).stderr).toContain("exists already");
      await thaw("rm", "web");
      const { engine, reasons, pagesBytes, processes } = await inspect("warm");
      await thaw("checkpoint", "rm", "warm");
      const other = await installed.thaw("checkpoint", "import", "--digest", `sha256:${"0".repeat(64)}`, file);
      expect(other.stderr).toContain("expected sha256");
      await thaw("checkpoint", "import", "--digest", digest, file);
      expect((await installed.thaw("checkpoint", "import", file)).stderr).toContain("exists already");
      expect(await inspect("warm")).toMatchObject({ engine, reasons, pagesBytes, processes });
      await thaw("restore", "--name", "web", "warm");
      expect([await ask("/count"), await ask("/read")]).toEqual(["2", "1"]);
      await thaw("rm", "-f", "web");
      await thaw("checkpoint", "rm", "warm");
      rmSync(file);
    },
  );

  test("a checkpoint of a restored container is taken away with the files of both", async () => {
    await serve("web");
    await ask("/count");
    await ask("/write");
    await thaw("checkpoint", "create", "web", "first");
    await thaw("rm", "web");
    await thaw("restore", "--name", "web", "first");
    await ask("/count");
    await thaw("checkpoint", "create", "web", "second");
    await thaw("rm", "web");
    const file = join(installed.directory, "second.tar.zst");
    await thaw("checkpoint", "export", "second", file);
    await thaw("checkpoint", "rm", "second");
    await thaw("checkpoint", "rm", "first");
    await thaw("checkpoint", "import", file);
    await thaw("restore", "--name", "web", "second");
    expect([await ask("/count"), await ask("/read")]).toEqual(["3", "1"]);
    await thaw("rm", "-f", "web");
    await thaw("checkpoint", "rm", "second");
    rmSync(file);
  });

  test("an archive whose container reaches for the host has to be trusted", async () => {
    await run("web", "-v", `${installed.directory}:/shared:ro`);
    await thaw("checkpoint", "create", "web", "warm");
    const file = join(installed.directory, "bound.tar");
    await thaw("checkpoint", "export", "warm", file);
    const refused = await installed.thaw("checkpoint", "import", "--name", "again", file);
    expect(refused.stderr).toContain(`${installed.directory} at /shared`);
    await thaw("checkpoint", "import", "--trust", "--name", "again", file);
    await thaw("rm", "web");
    await thaw("checkpoint", "rm", "warm", "again");
    rmSync(file);
  });

  test("options that make no sense are refused before anything is done", async () => {
    const create = (...argv: string[]) => installed.thaw("checkpoint", "create", ...argv, "web", "x");
    const wrong = [
      ["--after-requests", "0"],
      ["--after-requests", "1", "--when-log", "x"],
      ["--when-healthy", "health"],
      ["--warm", "x"],
      ["--port", "70000"],
      ["--timeout", "soon"],
    ];
    for (const options of wrong) expect((await create(...options)).stderr).toContain("expected");
  });
});
