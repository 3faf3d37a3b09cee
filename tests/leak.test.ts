/**
 * Runs last: finds what the tests before it left on the machine. Everything of theirs carries a directory named
 * thaw-test-, thaw-demo- or thaw-bench-, or a name that begins with "thaw"; a daemon that the user runs with the usual
 * directories is not theirs.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../src/common/exec.ts";
import { thawPaths } from "../src/common/paths.ts";
import { Cgroups, detectCgroups } from "../src/sandbox/index.ts";

const OURS = /\/thaw-(test|demo|bench)-/;
const layout = detectCgroups();
const usersParent = new Cgroups(layout, thawPaths({}).run).parent;

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // It ended meanwhile.
  }
}

function list(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // There is no such directory here.
  }
}

const pids = () => readdirSync("/proc").filter((name) => /^\d+$/.test(name) && name !== String(process.pid));

test("no process of the tests is left", () => {
  const left = pids()
    .map((pid) => ({ pid, text: `${readOrEmpty(`/proc/${pid}/cmdline`)} ${readOrEmpty(`/proc/${pid}/environ`)}` }))
    .filter(({ text }) => OURS.test(text) && /thaw-launcher|thaw\0daemon|main\.ts\0daemon/.test(text));
  expect(left).toEqual([]);
});

test("no cgroup is left", () => {
  const left = layout.hierarchies.flatMap(({ mount }) =>
    list(mount)
      .filter((name) => name.startsWith("thaw") && name !== usersParent)
      .map((name) => join(mount, name)),
  );
  expect(left).toEqual([]);
});

test("no mount is left, in any process's view", () => {
  const views = new Map(pids().map((pid) => [readOrEmpty(`/proc/${pid}/mounts`), pid]));
  const left = [...views.keys()].flatMap((text) => text.split("\n").filter((line) => OURS.test(line)));
  expect([...new Set(left)]).toEqual([]);
});

test("no network namespace, interface, nftables table or loop device is left", async () => {
  const tables = Bun.which("nft") === null ? "" : (await exec(["nft", "list", "tables"])).stdout;
  const loops = Bun.which("losetup") === null ? "" : (await exec(["losetup", "-a"])).stdout;
  expect({
    namespaces: list("/run/netns").filter((name) => name.startsWith("thaw")),
    interfaces: list("/sys/class/net").filter((name) => name.startsWith("thaw")),
    tables: tables.split("\n").filter((line) => /\bthaw/.test(line)),
    loops: loops.split("\n").filter((line) => OURS.test(line)),
  }).toEqual({ namespaces: [], interfaces: [], tables: [], loops: [] });
});

test("no temporary directory is left", () => {
  const left = list(tmpdir()).filter((name) => OURS.test(`/${name}`));
  expect(left).toEqual([]);
});
