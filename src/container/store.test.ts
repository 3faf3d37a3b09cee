import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../common/database.ts";
import { newContainer } from "./core.ts";
import { ContainerStore } from "./store.ts";
import type { Container, ContainerSpec } from "./types.ts";

const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
let files = 0;
let path: string;

beforeEach(() => {
  path = join(directory, `${files++}.db`);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const spec: ContainerSpec = {
  name: "web",
  image: "hello",
  rootfs: undefined,
  lowers: ["/b", "/a"],
  argv: ["sh"],
  env: ["A=1"],
  cwd: "/",
  user: "",
  hostname: "web",
  tty: false,
  openStdin: false,
  network: { mode: "none", attachments: [] },
  binds: [],
  ports: [],
  limits: { memory: 1 << 24, nanoCpus: undefined, pids: undefined },
  labels: { a: "b" },
  autoRemove: false,
  init: true,
};

function container(id: string, name: string): Container {
  return newContainer(id, { ...spec, name }, { restoredFrom: undefined, service: undefined });
}

test("what was written is there after a reopening", () => {
  const database = openDatabase(path);
  const store = new ContainerStore(database);
  store.insert(container("aa11", "web"));
  const changed: Container = {
    ...container("aa11", "web"),
    state: "exited",
    exitCode: 137,
    oomKilled: true,
    error: "why",
    finishedAt: 5,
    restoredFrom: "ckpt",
  };
  store.update(changed);
  database.close();
  const again = new ContainerStore(openDatabase(path));
  expect(again.all()).toEqual([changed]);
});

test("by id, by name, by the beginning of an id", () => {
  const store = new ContainerStore(openDatabase(path));
  store.insert(container("abcd", "one"));
  store.insert(container("abce", "two"));
  store.insert(container("ff00", "abc"));
  expect(store.get("abcd").spec.name).toBe("one");
  expect(store.get("two").id).toBe("abce");
  expect(store.get("ff").id).toBe("ff00");
  expect(store.get("abc").id).toBe("ff00");
  expect(() => store.get("ab")).toThrow("the ids of 2 containers begin with");
  expect(() => store.get("")).toThrow("no container is called");
  expect(() => store.get("x")).toThrow("no container is called");
});

test("a name belongs to one container, and is free after its removal", () => {
  const store = new ContainerStore(openDatabase(path));
  store.insert(container("aa", "web"));
  expect(() => store.insert(container("bb", "web"))).toThrow("belongs to another container");
  store.remove("aa");
  store.insert(container("bb", "web"));
  expect(store.all()).toHaveLength(1);
});

test("a change that comes after the removal does not bring a container back", () => {
  const database = openDatabase(path);
  const store = new ContainerStore(database);
  store.insert(container("aa", "web"));
  store.remove("aa");
  store.update({ ...container("aa", "web"), state: "exited" });
  expect(store.all()).toEqual([]);
  expect(database.query("SELECT id FROM containers").all()).toEqual([]);
});

test("when the disk is full a new container is refused, a change is kept in memory", () => {
  const database = openDatabase(path);
  const store = new ContainerStore(database);
  store.insert(container("aa", "web"));
  const { page_count: pages } = database.query<{ page_count: number }, []>("PRAGMA page_count").get() ?? {
    page_count: 0,
  };
  database.run(`PRAGMA max_page_count = ${pages}`);
  const large = { ...container("bb", "big"), error: "x".repeat(1 << 20) };
  expect(() => store.insert(large)).toThrow("no space left");
  expect(store.find("bb")).toBeUndefined();
  expect(() => store.update({ ...large, id: "aa" })).toThrow("no space left");
  expect(store.find("aa")?.error).toHaveLength(1 << 20);
});
