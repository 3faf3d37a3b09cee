import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFile, mkdir, mkdtemp, readdir, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execOk } from "../common/exec.ts";
import { type Paths, thawPaths } from "../common/paths.ts";
import { machineFacts } from "./facts.ts";
import type { CheckpointDraft } from "./manifest.ts";
import { CheckpointStore } from "./store.ts";

const leaveToCriu = async () => ({ engine: "criu", reasons: ["fd 7: established TCP"] }) as const;

let root: string;
let paths: Paths;
let database: Database;
let store: CheckpointStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "thaw-test-"));
  paths = thawPaths({ THAW_DATA: join(root, "data") });
  database = new Database(":memory:");
  store = new CheckpointStore(paths, database, leaveToCriu);
});

afterEach(async () => {
  database.close();
  await rm(root, { recursive: true, force: true });
});

async function draft(name: string): Promise<CheckpointDraft> {
  return {
    name,
    image: "hello:latest",
    containerName: "hello",
    layers: ["sha256:aa"],
    container: { command: ["python3"], nested: { a: [1, null] } },
    facts: await machineFacts("4.2.1"),
    mainPid: 2,
    stdio: [null, "pipe:[11]", "pipe:[12]"],
    engine: "criu",
    reasons: ["fd 7: established TCP"],
    frozenMs: 12.5,
  };
}

async function make(name: string) {
  const { id, dir } = await store.begin(name);
  await writeFile(join(dir, "images/core-2.img"), "core", { mode: 0o644 });
  await writeFile(join(dir, "images/pages-1.img"), Buffer.alloc(8192, 7));
  await mkdir(join(dir, "compiled"));
  await writeFile(join(dir, "compiled/plan"), "plan");
  await writeFile(join(dir, "upper/data"), "written by the container");
  return await store.commit(id, await draft(name));
}

const code = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: { code?: string }) => error.code,
  );

test("a committed checkpoint is found by name, with sizes and digests of its files", async () => {
  const made = await make("web.v1");
  expect(store.get("web.v1")).toEqual(made);
  expect(store.list().map((checkpoint) => checkpoint.name)).toEqual(["web.v1"]);
  expect(made.files.map((file) => file.path)).toEqual(["images/core-2.img", "images/pages-1.img", "compiled/plan"]);
  expect([made.imagesBytes, made.pagesBytes]).toEqual([8200, 8192]);
  expect(made.upperBytes).toBeGreaterThan(0);
  expect(made.container).toEqual({ command: ["python3"], nested: { a: [1, null] } });
  const dir = store.directoryOf(made.id);
  expect((await stat(join(dir, "images/core-2.img"))).mode & 0o777).toBe(0o600);
  expect((await stat(join(dir, "images"))).mode & 0o777).toBe(0o700);
  expect(await Bun.file(join(dir, "checkpoint.json")).json()).toEqual(made);
  expect(await readdir(paths.tmp)).toEqual([]);
  await store.verify(made.id);
});

test("verify names a file that was changed, cut, removed or added", async () => {
  const { id } = await make("web");
  const pages = join(store.directoryOf(id), "images/pages-1.img");
  await writeFile(pages, Buffer.alloc(8192, 8));
  expect(await code(store.verify(id))).toBe("DIGEST_MISMATCH");
  await writeFile(pages, Buffer.alloc(8191, 7));
  await expect(store.verify(id)).rejects.toThrow("images/pages-1.img: expected 8192 bytes, got 8191");
  await rm(pages);
  await expect(store.verify(id)).rejects.toThrow("no such file");
  await writeFile(pages, Buffer.alloc(8192, 7));
  await appendFile(join(store.directoryOf(id), "images/restore.log"), "logs are no images");
  await store.verify(id);
  await writeFile(join(store.directoryOf(id), "images/fs-2.img"), "");
  expect(await code(store.verify(id))).toBe("DIGEST_MISMATCH");
});

test("names are checked and taken once, also by two that are made at the same time", async () => {
  expect(await code(store.begin("../x"))).toBe("INVALID");
  expect(await code(store.begin(""))).toBe("INVALID");
  const [first, second] = [await store.begin("twice"), await store.begin("twice")];
  const results = await Promise.all([
    code(store.commit(first.id, await draft("twice"))),
    code(store.commit(second.id, await draft("twice"))),
  ]);
  expect(results.sort()).toEqual(["NAME_IN_USE", "no error"]);
  expect(await readdir(paths.checkpoints)).toEqual([store.get("twice").id]);
  expect(await readdir(paths.tmp)).toEqual([]);
  expect(await code(store.begin("twice"))).toBe("NAME_IN_USE");
});

test("remove leaves neither row nor directory", async () => {
  await make("gone");
  await store.remove("gone");
  expect(() => store.get("gone")).toThrow("no checkpoint named gone");
  expect(await readdir(paths.checkpoints)).toEqual([]);
  expect(await code(store.remove("gone"))).toBe("CHECKPOINT_NOT_FOUND");
});

test("anything but regular files among the images is refused and nothing is left", async () => {
  const { id, dir } = await store.begin("link");
  await symlink("/etc/shadow", join(dir, "images/parent"));
  expect(await code(store.commit(id, await draft("link")))).toBe("CHECKPOINT_FAILED");
  expect(await readdir(paths.tmp)).toEqual([]);
});

test("the empty upper directory can be replaced by the container's own", async () => {
  const { id, dir } = await store.begin("moved");
  await mkdir(join(root, "container-upper"));
  await writeFile(join(root, "container-upper/file"), "x");
  await rename(join(root, "container-upper"), join(dir, "upper"));
  const made = await store.commit(id, await draft("moved"));
  expect(await readdir(join(store.directoryOf(made.id), "upper"))).toEqual(["file"]);
});

test("sweep after a crash removes what is half there and keeps the rest", async () => {
  const kept = await make("kept");
  const lost = await make("lost");
  await store.begin("half-made");
  await mkdir(store.directoryOf("0".repeat(32)));
  await mkdir(join(paths.checkpoints, "not-ours"));
  await rm(store.directoryOf(lost.id), { recursive: true });
  const afterCrash = new CheckpointStore(paths, database, leaveToCriu);
  expect(await afterCrash.sweep()).toHaveLength(3);
  expect(afterCrash.list().map((checkpoint) => checkpoint.id)).toEqual([kept.id]);
  expect((await readdir(paths.checkpoints)).sort()).toEqual([kept.id, "not-ours"].sort());
  expect(await readdir(paths.tmp)).toEqual([]);
  expect(await afterCrash.sweep()).toEqual([]);
});

test("sweep leaves alone what is being made", async () => {
  const { id } = await store.begin("busy");
  expect(await store.sweep()).toEqual([]);
  await store.commit(id, await draft("busy"));
});

test("a checkpoint of another format does not hide the others and can be removed", async () => {
  await make("good");
  const { id } = await make("newer");
  database.query("UPDATE checkpoints SET json = ? WHERE id = ?").run(`{"version": 2}`, id);
  expect(store.list().map((checkpoint) => checkpoint.name)).toEqual(["good"]);
  expect(() => store.get("newer")).toThrow("expected version 1, got 2");
  expect(await store.sweep()).toEqual([`checkpoint ${id}: kept, but made by another version of thaw`]);
  await store.remove("newer");
});

test.skipIf(process.getuid?.() !== 0)("a full disk leaves nothing half made", async () => {
  await mkdir(paths.data, { recursive: true });
  await execOk(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", paths.data]);
  try {
    const { id, dir } = await store.begin("big");
    const room = await writeFile(join(dir, "images/pages-1.img"), Buffer.alloc(1 << 20, 7)).catch(() => "full");
    expect(room).toBe("full");
    expect(await code(store.commit(id, await draft("big")))).toBe("NO_SPACE");
    expect(await readdir(paths.tmp)).toEqual([]);
    expect(store.list()).toEqual([]);
  } finally {
    await execOk(["umount", paths.data]);
  }
});
