/**
 * What users get wrong, and machines: each a clear error that says what to do, an exit code other than 0, and nothing
 * half-made left behind. The compiled program is used as it is installed.
 */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { exec } from "../src/common/exec.ts";
import { Installed, type Outcome } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
const installed = new Installed();

/** An error as a user should see it. */
function expectRefusal({ exitCode, stdout, stderr }: Outcome, pattern: RegExp, code = 1): void {
  expect(stderr).toMatch(pattern);
  expect(stderr).toContain("hint: ");
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(stdout).toBe("");
  expect(exitCode).toBe(code);
}

async function expectNothingMade(): Promise<void> {
  expect((await installed.thaw("ps", "-a", "-q")).stdout).toBe("");
  expect((await installed.thaw("services", "--json")).stdout.trim()).toBe("[]");
  expect((await installed.leftovers()).filter((line) => /^(containers|checkpoints|tmp)\//.test(line))).toEqual([]);
}

async function stop(): Promise<void> {
  await installed.thaw("daemon", "stop", "--force");
  await until(() => installed.pids().length === 0);
}

beforeAll(() => installed.buildPerlImage());

afterAll(async () => {
  await stop();
  installed.remove();
});

describe("what does not exist", () => {
  test("a root file system", async () => {
    expectRefusal(await installed.thaw("run", "--rootfs", "/no/such/dir", "--", "true"), /\/no\/such\/dir/, 125);
    await expectNothingMade();
  });

  test("an image", async () => {
    expectRefusal(await installed.thaw("run", "nosuch:1", "true"), /nosuch:1/, 125);
    await expectNothingMade();
  });

  test("a container, a checkpoint", async () => {
    expectRefusal(await installed.thaw("logs", "nosuch"), /nosuch/);
    expectRefusal(await installed.thaw("restore", "nosuch"), /nosuch/);
    expectRefusal(await installed.thaw("checkpoint", "create", "nosuch", "k"), /nosuch/);
  });

  test("a program in a container", async () => {
    const outcome = await installed.thaw("run", "--rm", "perl", "no-such-program");
    expect(outcome.stderr).toContain("no-such-program");
    expect(outcome.exitCode).toBe(127);
    await expectNothingMade();
  });

  test("a command and an option of thaw", async () => {
    expect((await installed.thaw("pss")).stderr).toContain("ps");
    expect((await installed.thaw("ps", "--nosuch")).exitCode).not.toBe(0);
  });
});

test("files of the directory that thaw is used in are neither run nor taken for its environment", async () => {
  const trap = join(installed.directory, "trap.js");
  writeFileSync(trap, "console.log('trapped');");
  writeFileSync(join(installed.directory, "bunfig.toml"), `preload = [${JSON.stringify(trap)}]\n`);
  writeFileSync(join(installed.directory, ".env"), "THAW_DEBUG=1\n");
  const outcome = await installed.thaw("logs", "nosuch");
  for (const name of ["bunfig.toml", ".env", "trap.js"]) rmSync(join(installed.directory, name));
  expectRefusal(outcome, /nosuch/);
});

describe("compose files", () => {
  function compose(text: string): string {
    const file = join(installed.directory, "bad.yaml");
    writeFileSync(file, text);
    return file;
  }

  test("a key with a typo: file, line, the key and the one that was meant", async () => {
    const file = compose("services:\n  web:\n    image: perl\n    prots: ['8001:8000']\n");
    expectRefusal(await installed.thaw("up", "-f", file), /bad\.yaml:4.*prots[\s\S]*ports/);
    await expectNothingMade();
  });

  test("a wrong value in x-thaw", async () => {
    const file = compose("services:\n  web:\n    image: perl\n    ports: ['8001:8000']\n    x-thaw: { idle: soon }\n");
    expectRefusal(await installed.thaw("up", "-f", file), /bad\.yaml:5.*idle/);
  });

  test("not YAML at all, and no file", async () => {
    expectRefusal(await installed.thaw("up", "-f", compose("services: [\n")), /bad\.yaml/);
    expectRefusal(await installed.thaw("up", "-f", "/no/such/compose.yaml"), /\/no\/such\/compose\.yaml/);
  });

  test("a port that somebody listens on", async () => {
    const server = await listenSomewhere();
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expectRefusal(await installed.thaw("up", "-f", installed.composeFile("web", port, "1s")), new RegExp(`${port}`));
    await expectNothingMade();
    server.close();
  });
});

function listenSomewhere(): Promise<Server> {
  const server = createServer();
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

describe("a checkpoint of another kernel", () => {
  const reason = typeof criu === "string" ? ` (${criu})` : "";
  test.skipIf(reason !== "")(`is refused before anything is tried, and a service starts cold${reason}`, async () => {
    await installed.thaw("run", "-d", "--name", "web", "perl");
    expect((await installed.thaw("checkpoint", "create", "web", "old")).exitCode).toBe(0);
    await installed.thaw("rm", "web");
    const port = await freePort();
    expect((await installed.thaw("up", "-f", installed.composeFile("svc", port, "50ms"))).exitCode).toBe(0);
    await stop();
    fakeKernel("5.10.0-fake");

    expectRefusal(await installed.thaw("restore", "old"), /5\.10\.0-fake/);
    // The service's own container may be there: it is being checkpointed anew.
    const others = (await installed.thaw("ps", "-a")).stdout
      .split("\n")
      .slice(1)
      .filter((line) => !line.includes("svc"));
    expect(others.filter(Boolean)).toEqual([]);
    const answer = await fetch(`http://127.0.0.1:${port}/count`, { headers: { connection: "close" } });
    expect(answer.status).toBe(200);

    expect((await installed.thaw("down", "-f", installed.composeFile("svc", port, "50ms"))).exitCode).toBe(0);
    expect((await installed.thaw("checkpoint", "rm", "old")).exitCode).toBe(0);
    await expectNothingMade();
  });
});

/** Rewrites the kernel that every checkpoint was made on, as if this machine had booted another one since. */
function fakeKernel(release: string): void {
  const here = readFileSync("/proc/sys/kernel/osrelease", "utf8").trim();
  const database = new Database(join(installed.data, "thaw.db"));
  const rows = database.query<{ id: string; json: string }, []>("SELECT id, json FROM checkpoints").all();
  expect(rows.length).toBeGreaterThan(1);
  for (const { id, json } of rows) {
    const changed = json.replaceAll(here, release);
    database.query("UPDATE checkpoints SET json = ? WHERE id = ?").run(changed, id);
    const file = join(installed.data, "checkpoints", id, "checkpoint.json");
    writeFileSync(file, readFileSync(file, "utf8").replaceAll(here, release));
  }
  database.close();
}

describe("a full disk", () => {
  test("a build says so and leaves nothing", async () => {
    const small = new Installed();
    mkdirSync(small.data);
    expect((await exec(["mount", "-t", "tmpfs", "-o", "size=6m", "thaw-test", small.data])).exitCode).toBe(0);
    try {
      const context = join(small.directory, "big");
      mkdirSync(context);
      writeFileSync(join(context, "Dockerfile"), "FROM scratch\nCOPY . /\n");
      writeFileSync(join(context, "blob"), Buffer.alloc(20 << 20, 7));
      expectBuildRefused(await small.thaw("build", "-t", "big", context));
      expect((await small.thaw("images", "-q")).stdout).toBe("");
      expect((await small.leftovers()).filter((line) => /^(containers|checkpoints|tmp)\//.test(line))).toEqual([]);
      // Once there is room again, the same command works.
      await exec(["mount", "-o", "remount,size=80m", small.data]);
      expect((await small.thaw("build", "-t", "big", context)).exitCode).toBe(0);
    } finally {
      await small.thaw("daemon", "stop", "--force");
      await until(() => small.pids().length === 0);
      await exec(["umount", small.data]);
      small.remove();
    }
  });
});

function expectBuildRefused({ exitCode, stderr }: Outcome): void {
  expect(stderr).toMatch(/no space/i);
  expect(stderr).toContain("hint: ");
  expect(exitCode).toBe(1);
}
