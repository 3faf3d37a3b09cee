/**
 * A service whose compose file asks for more than an image and a port: its containers are so when they start cold and
 * when they come out of a checkpoint.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { until } from "./support/world.ts";

const criu = await findCriu();
const why = typeof criu === "string" ? ` (${criu})` : "";
const installed = new Installed();

beforeAll(async () => {
  if (why === "") await installed.buildPerlImage();
});

afterAll(async () => {
  await installed.thaw("daemon", "stop", "--force");
  await until(() => installed.pids().length === 0);
  expect(await installed.leftovers()).toEqual([]);
  installed.remove();
});

function composeFile(port: number, when: string): string {
  const file = join(installed.directory, "compose.yaml");
  const lines = [
    "name: opt",
    "services:",
    "  web:",
    "    image: perl",
    `    ports: ["127.0.0.1:${port}:8000"]`,
    "    read_only: true",
    "    cap_drop: [ALL]",
    "    tmpfs: [/scratch, /run]",
    '    volumes: ["data:/data", "./bound:/bound:ro", /own]',
    "    sysctls: { net.core.somaxconn: 77 }",
    "    ulimits: { nofile: { soft: 900, hard: 1000 } }",
    "    hostname: boxy",
    "    devices: [/dev/kmsg]",
    `    x-thaw: { idle: 0s, checkpoint: ${when} }`,
    "volumes: { data: }",
  ];
  writeFileSync(file, lines.join("\n"));
  return file;
}

test.skipIf(why !== "")(`a service has its options, started cold and restored${why}`, async () => {
  await Bun.$`mkdir -p ${join(installed.directory, "bound")}`.quiet();
  const port = await freePort();
  for (const when of ["never", "ready"]) {
    const file = composeFile(port, when);
    const up = await installed.thaw("up", "-f", file);
    expect([up.exitCode, up.stdout]).toEqual([0, expect.stringContaining("asleep")]);
    const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect([await get("/count"), await get("/write"), await get("/read")]).toEqual(["1", "written", "none"]);
    const [service] = JSON.parse((await installed.thaw("services", "--json")).stdout);
    expect(service.engine).toBe(when === "never" ? "cold" : "thaw");
    expect(service.lastWake.result).not.toBe("fallback");
    const [{ State, Mounts, Config }] = JSON.parse((await installed.thaw("inspect", "opt-web")).stdout);
    const proc = (name: string) => readFileSync(`/proc/${State.Pid}/${name}`, "utf8");
    expect(proc("status")).toMatch(/^CapEff:\t0{16}$/m);
    expect(proc("limits")).toMatch(/^Max open files +900 +1000 /m);
    expect(proc("mountinfo")).toMatch(/ \/ \/ ro,/);
    expect(proc("mountinfo")).toMatch(/ \/scratch rw,nosuid,nodev,noexec,/);
    expect(Mounts.map(({ Type, Name }: { Type: string; Name?: string }) => Name ?? Type)).toEqual([
      "opt_data",
      "bind",
      "opt_web_own",
      "tmpfs",
      "tmpfs",
    ]);
    // CRIU reads it with all rights: what is mounted over /run must not make it the container's.
    expect(proc("mountinfo")).toMatch(/ \/run\/criu\.kdat ro,/);
    expect(Config.Hostname).toBe("boxy");
    expect((await installed.thaw("volume", "rm", "opt_data")).stderr).toContain("uses the volume opt_data");
    const down = await installed.thaw("down", "-f", file, ...(when === "never" ? [] : ["-v"]));
    expect(down.stdout).toBe(
      `opt: 1 service removed\n${when === "never" ? "" : "opt_data: removed\nopt_web_own: removed\n"}`,
    );
  }
  expect((await installed.thaw("volume", "ls", "-q")).stdout).toBe("");
});

test.skipIf(why !== "")(
  `a volume stays while a checkpoint has it, and is there again after a restore${why}`,
  async () => {
    await installed.thaw("run", "-d", "--name", "one", "-v", "kept:/data", "perl");
    await until(async () => (await installed.thaw("logs", "one")).stdout.includes("listening"));
    expect((await installed.thaw("checkpoint", "create", "one", "k")).exitCode).toBe(0);
    await installed.thaw("rm", "one");
    expect((await installed.thaw("volume", "rm", "kept")).stderr).toContain("the checkpoint k uses the volume kept");
    expect((await installed.thaw("restore", "k", "--name", "two")).exitCode).toBe(0);
    const [{ State, Mounts }] = JSON.parse((await installed.thaw("inspect", "two")).stdout);
    expect(Mounts).toEqual([expect.objectContaining({ Type: "volume", Name: "kept", Destination: "/data" })]);
    expect(readFileSync(`/proc/${State.Pid}/mountinfo`, "utf8")).toMatch(/volumes\/kept\/_data \/data rw/);
    await installed.thaw("rm", "-f", "two");
    await installed.thaw("checkpoint", "rm", "k");
    expect((await installed.thaw("volume", "rm", "kept")).exitCode).toBe(0);
  },
);
