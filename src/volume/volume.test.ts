import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDatabase } from "../common/database.ts";
import { fillVolume } from "./fill.ts";
import { VolumeStore } from "./store.ts";

let directory: string;
let store: VolumeStore;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  store = new VolumeStore(openDatabase(":memory:"), {
    volumes: join(directory, "volumes"),
    tmp: join(directory, "tmp"),
  });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("a volume is made once, found by its name, and removed with its content", async () => {
  const made = store.ensure("data", { a: "b" });
  expect(store.ensure("data", { other: "ignored" })).toEqual(made);
  expect(made).toMatchObject({ name: "data", anonymous: false, labels: { a: "b" } });
  writeFileSync(join(made.path, "file"), "");
  expect(store.list()).toEqual([made]);
  await store.remove("data");
  await store.remove("data");
  expect([existsSync(made.path), store.find("data")]).toEqual([false, undefined]);
  expect(() => store.get("data")).toThrow("no volume is called");
  expect(readdirSync(join(directory, "tmp"))).toEqual([]);
});

test("one without a name is another one each time; a bad name is refused", () => {
  const [one, two] = [store.ensure(), store.ensure()];
  expect(one.anonymous && two.anonymous && one.name !== two.name).toBe(true);
  for (const name of ["../x", "a/b", ".", "-a", "x".repeat(129)])
    expect(() => store.ensure(name)).toThrow("not a volume");
});

test("what is there already is left alone", async () => {
  const { path } = store.ensure("used");
  writeFileSync(join(path, "own"), "");
  const lower = join(directory, "lower");
  mkdirSync(join(lower, "d"), { recursive: true });
  writeFileSync(join(lower, "d", "seed"), "");
  await fillVolume(path, "/d", [lower], { tmp: join(directory, "tmp") });
  expect(readdirSync(path)).toEqual(["own"]);
});

test("a link of the image leads nowhere but into the image", async () => {
  const { path } = store.ensure("linked");
  const lower = join(directory, "linked");
  mkdirSync(join(lower, "etc"), { recursive: true });
  writeFileSync(join(lower, "etc", "passwd"), "the image's\n");
  symlinkSync("/etc", join(lower, "data"));
  await fillVolume(path, "/data", [lower], { tmp: join(directory, "tmp") });
  expect(readFileSync(join(path, "passwd"), "utf8")).toBe("the image's\n");
  const none = store.ensure("none");
  for (const target of ["/nosuch", "/etc/passwd", "/"]) {
    await fillVolume(none.path, target, [lower], { tmp: join(directory, "tmp") });
  }
  expect(readdirSync(none.path)).toEqual([]);
});
