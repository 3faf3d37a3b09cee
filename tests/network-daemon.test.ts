/**
 * Networks over the life of daemons: what goes on while one is away, what the next one finds and repairs, what is left
 * when it is stopped, and Docker's own command line as a client. The compiled program is used as it is installed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { ContainerDetails } from "../src/api/containers.ts";
import type { NetworkAnswer } from "../src/api/networks.ts";
import { exec, execOk } from "../src/common/exec.ts";
import { HostNetworks } from "../src/network/host.ts";
import { Installed } from "./support/installed.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { Outside, TCP_CLIENT, TCP_SERVER } from "./support/outside.ts";
import { makePerlRoot, SERVER_ARGV } from "./support/perl-root.ts";
import { until } from "./support/world.ts";

const missing = Outside.missing();
const criu = missing === undefined ? await findCriu() : missing;
const docker = Bun.which("docker");

/** It may have ended by itself. */
function killAnyway(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Then it is gone.
  }
}

describe.skipIf(missing !== undefined)(`networks of a daemon${missing === undefined ? "" : ` (${missing})`}`, () => {
  const installed = new Installed();
  const root = join(installed.directory, "root");

  beforeAll(async () => {
    mkdirSync(root);
    await makePerlRoot(root);
  });

  afterAll(async () => {
    await stop(installed);
    installed.remove();
  });

  /** Ends a thaw, and looks for what it left in the kernel. */
  async function stop(one: Installed): Promise<void> {
    await one.thaw("daemon", "stop", "--force");
    await until(() => one.pids().length === 0);
    // The kernel takes network namespaces apart after their last process has ended.
    await until(async () => (await inKernel(one)).length === 0);
  }

  /** The interfaces and the table of a thaw. */
  async function inKernel({ run }: Installed): Promise<string[]> {
    // Only names are made of it: it talks to no launcher.
    const host = new HostNetworks(undefined as never, run);
    const prefix = host.bridgeName(0).slice(0, -2);
    const tables = (await execOk(["nft", "list", "tables"])).split("\n");
    return [
      ...readdirSync("/sys/class/net").filter((name) => name.startsWith(prefix)),
      ...tables.filter((line) => line.includes(host.table)),
    ];
  }

  async function thaw(one: Installed, ...argv: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await one.thaw(...argv);
    if (exitCode !== 0) throw new Error(`thaw ${argv.join(" ")}: ${stderr}`);
    return stdout.trim();
  }

  async function killDaemon(): Promise<void> {
    const pids = installed.daemonPids();
    for (const pid of pids) killAnyway(pid);
    // Its socket is open for a moment longer than its command line can be read.
    await until(() => pids.every((pid) => !existsSync(`/proc/${pid}`)));
  }

  /** A server that tells who asked, at port 80; resolves when it listens. */
  async function serve(one: Installed, name: string, ...options: string[]): Promise<void> {
    const command = ["--rootfs", root, "--", "/usr/bin/perl", "-e", TCP_SERVER, "80"];
    await thaw(one, "run", "-d", "--name", name, ...options, ...command);
    await until(async () => (await thaw(one, "logs", name)).includes("listening"));
  }

  function ask(one: Installed, network: string, name: string): Promise<string> {
    const command = ["--rootfs", root, "--", "/usr/bin/perl", "-e", TCP_CLIENT, name, "80"];
    return thaw(one, "run", "--rm", "--network", network, ...command);
  }

  async function askHere(port: number): Promise<string> {
    return (await exec(["perl", "-e", TCP_CLIENT, "127.0.0.1", String(port)])).stdout.trim();
  }

  async function inspect(one: Installed, name: string): Promise<ContainerDetails> {
    const [details] = JSON.parse(await thaw(one, "inspect", name));
    return details;
  }

  async function network(one: Installed, name: string): Promise<NetworkAnswer> {
    const [answer] = JSON.parse(await thaw(one, "network", "inspect", name));
    return answer;
  }

  test("a killed daemon's containers stay connected; the next one knows them", async () => {
    const port = await freePort();
    await thaw(installed, "network", "create", "app");
    await serve(installed, "web", "--network", "app", "-p", `${port}:80`);
    expect(await thaw(installed, "port", "web")).toBe(`80/tcp -> 0.0.0.0:${port}`);
    const before = (await inspect(installed, "web")).NetworkSettings.Networks;
    await killDaemon();
    // What a container that ended meanwhile would have left.
    const { table } = new HostNetworks(undefined as never, installed.run);
    await execOk(["nft", "add", "element", "inet", table, "any4", "{ tcp . 9 : 198.51.100.9 . 9 }"]);
    expect(await askHere(port)).toMatch(/^\d+\./);
    expect((await inspect(installed, "web")).NetworkSettings.Networks).toEqual(before);
    const published = await execOk(["nft", "list", "map", "inet", table, "any4"]);
    // The number where the machine has no /etc/protocols.
    expect(published).toMatch(new RegExp(`\\b(tcp|6) \\. ${port} : `));
    expect(published).not.toMatch(/\b(tcp|6) \. 9 : /);
    expect(await ask(installed, "app", "web")).toMatch(/^\d+\./);
    expect(Object.values((await network(installed, "app")).Containers).map(({ Name }) => Name)).toEqual(["web"]);
  });

  test("with the launcher its containers end, and their ports and addresses are free", async () => {
    // Without its keeper first, which would start another one.
    for (const pid of [...installed.keeperPids(), ...installed.launcherPids()]) killAnyway(pid);
    await until(async () => (await thaw(installed, "ps", "-q")) === "");
    const { table } = new HostNetworks(undefined as never, installed.run);
    await until(async () => !(await execOk(["nft", "list", "map", "inet", table, "any4"])).includes("elements"));
    expect((await network(installed, "app")).Containers).toEqual({});
    await thaw(installed, "rm", "web");
  });

  test("a bridge and a table that somebody took away are made again", async () => {
    const { table } = new HostNetworks(undefined as never, installed.run);
    const bridges = readdirSync("/sys/class/net");
    const mine = (await inKernel(installed)).filter((name) => bridges.includes(name));
    // Those of sandboxes made ahead come and go by themselves.
    for (const name of mine) await exec(["ip", "link", "delete", name]);
    await serve(installed, "web", "--network", "app");
    expect(await ask(installed, "app", "web")).toMatch(/^\d+\./);
    await execOk(["nft", "delete", "table", "inet", table]);
    await killDaemon();
    await thaw(installed, "ps");
    expect(await inKernel(installed)).toContain(`table inet ${table}`);
    await thaw(installed, "rm", "-f", "web");
  });

  test("two daemons side by side do not disturb each other", async () => {
    const other = new Installed();
    const port = await freePort();
    try {
      await sideBySide(other, port);
    } finally {
      await stop(other);
      other.remove();
    }
    expect(await askHere(port)).toMatch(/^\d+\./);
    await thaw(installed, "rm", "-f", "web");
  });

  async function sideBySide(other: Installed, port: number): Promise<void> {
    const otherPort = await freePort();
    await thaw(other, "network", "create", "app");
    await serve(other, "web", "--network", "app", "-p", `${otherPort}:80`);
    await serve(installed, "web", "--network", "app", "-p", `${port}:80`);
    expect([await askHere(port), await askHere(otherPort)]).toEqual([
      (await network(installed, "app")).IPAM.Config[0]?.Gateway ?? "",
      (await network(other, "app")).IPAM.Config[0]?.Gateway ?? "",
    ]);
    // From one's container to the other's: not a way in.
    const address = Object.values(await networksOf(other, "web"))[0]?.IPAddress ?? "";
    const blocked = ["--rootfs", root, "--", "/usr/bin/perl", "-e", TCP_CLIENT, address, "80", "1"];
    expect(await thaw(installed, "run", "--rm", "--network", "app", ...blocked)).toBe("timeout");
    const taken = await installed.thaw("run", "--rm", "-p", `${otherPort}:1`, "--rootfs", root, "--", "/usr/bin/perl");
    expect(taken.stderr).toContain(`0.0.0.0:${otherPort}/tcp is in use by another program`);
  }

  async function networksOf(one: Installed, name: string) {
    // The daemon's own answer.
    return (await inspect(one, name)).NetworkSettings.Networks as Record<string, { IPAddress: string }>;
  }

  const canCheckpoint = typeof criu !== "string";
  test.skipIf(!canCheckpoint)(
    `a checkpoint comes back with an address of its own${canCheckpoint ? "" : ` (${criu})`}`,
    async () => {
      const port = await freePort();
      const get = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
      const options = ["--network", "app", "-p", `${port}:8000`, "--rootfs", root, "--", ...SERVER_ARGV];
      await thaw(installed, "run", "-d", "--name", "counter", ...options);
      await until(async () => (await thaw(installed, "logs", "counter")).includes("listening"));
      expect([await get("/count"), await get("/count")]).toEqual(["1", "2"]);
      const before = Object.values(await networksOf(installed, "counter"))[0]?.IPAddress;
      await thaw(installed, "checkpoint", "create", "counter", "warm");
      await thaw(installed, "restore", "warm", "--name", "again");
      expect(await get("/count")).toBe("3");
      const after = Object.values(await networksOf(installed, "again"))[0]?.IPAddress;
      expect(after).not.toBe(before);
      const second = await installed.thaw("restore", "warm", "--name", "third");
      expect(second.stderr).toContain(`0.0.0.0:${port}/tcp is in use`);
      await thaw(installed, "rm", "-f", "again", "counter");
      await thaw(installed, "checkpoint", "rm", "warm");
    },
  );

  test.skipIf(docker === null)(`Docker's command line${docker === null ? " (there is none here)" : ""}`, async () => {
    const host = `unix://${join(installed.run, "thaw.sock")}`;
    const cli = async (...argv: string[]) => (await execOk([docker ?? "", "-H", host, ...argv])).trim();
    await installed.buildPerlImage();
    await cli("network", "create", "--internal", "--subnet", "203.0.113.0/24", "--label", "a=b", "back");
    expect(await cli("network", "ls", "--format", "{{.Name}} {{.Driver}}")).toBe(
      "app bridge\nback bridge\nbridge bridge\nhost host\nnone null",
    );
    const run = ["run", "-d", "--name", "db", "--network", "back", "--ip", "203.0.113.7", "--network-alias", "store"];
    await cli(...run, "-p", "127.0.0.1:0:80/udp", "perl", "/usr/bin/perl", "-e", TCP_SERVER, "80");
    const client = ["run", "--rm", "--network", "back", "perl", "/usr/bin/perl", "-e"];
    expect(await cli(...client, TCP_CLIENT, "store", "80")).toMatch(/^203\.0\.113\./);
    expect(await cli("inspect", "-f", "{{.NetworkSettings.Networks.back.IPAddress}}", "db")).toBe("203.0.113.7");
    expect(await cli("port", "db")).toMatch(/^80\/udp -> 127\.0\.0\.1:\d+$/);
    await cli("network", "connect", "--alias", "second", "app", "db");
    expect(await cli("network", "inspect", "-f", "{{range .Containers}}{{.Name}}{{end}}", "app")).toBe("db");
    expect(await ask(installed, "app", "second")).toMatch(/^\d+\./);
    await cli("network", "disconnect", "app", "db");
    expect((await exec([docker ?? "", "-H", host, "network", "rm", "back"])).stderr).toContain(
      "has 1 running containers",
    );
    await cli("rm", "-f", "db");
    await cli("network", "rm", "back");
    expect(await cli("run", "--rm", "perl", "/usr/bin/perl", "-e", "print -e '/sys/class/net/eth0' ? 1 : 0")).toBe("1");
    expect(await cli("network", "prune", "-f")).toContain("app");
  });

  test("networks come back with the next daemon after a stop", async () => {
    await thaw(installed, "network", "create", "--subnet", "203.0.113.0/24", "lasting");
    await stop(installed);
    expect((await network(installed, "lasting")).IPAM.Config).toEqual([
      { Subnet: "203.0.113.0/24", Gateway: "203.0.113.1" },
    ]);
    expect((await inKernel(installed)).length).toBeGreaterThan(0);
  });
});
