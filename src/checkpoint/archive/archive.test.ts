import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ThawError } from "../../common/errors.ts";
import { execOk } from "../../common/exec.ts";
import { type Paths, thawPaths } from "../../common/paths.ts";
import { BLOCK, encodeHeader, padding, type TarHeader } from "../../image/tar/header.ts";
import { readTar } from "../../image/tar/reader.ts";
import { machineFacts } from "../facts.ts";
import type { CompileHook } from "../seal.ts";
import { CheckpointStore } from "../store.ts";
import { Archives } from "./index.ts";

const LAYER = "a".repeat(64);
const HOOKS = "c".repeat(32);
const SIGNAL = new AbortController().signal;
const root = process.getuid?.() === 0;

let directory: string;
let paths: Paths;
let database: Database;
let compile: CompileHook;
let store: CheckpointStore;
let archives: Archives;
let layer: string;

/** What the processes of archives are said to want. */
let excess: string[];

beforeEach(async () => {
  excess = [];
  directory = await mkdtemp(join(tmpdir(), "thaw-test-"));
  paths = thawPaths({ THAW_DATA: join(directory, "data") });
  database = new Database(":memory:");
  compile = async () => ({ engine: "criu", reasons: [] });
  store = new CheckpointStore(paths, database, (dir, draft) => compile(dir, draft));
  layer = join(paths.layers, LAYER);
  const lowers = () => [layer, join(paths.layers, "..", "init")];
  const roots = {
    using: <T>(image: string, use: (found: { lowers: string[] }) => Promise<T>) => {
      if (image !== "web") throw new ThawError("IMAGE_NOT_FOUND", `no image ${image}`);
      return use({ lowers: lowers() });
    },
    rootfsLowers: async () => lowers(),
  };
  archives = new Archives({
    store,
    facts: () => machineFacts("4.2.1"),
    roots,
    layers: paths.layers,
    hooks: () => join(directory, "hooks", HOOKS),
    excess: async () => excess,
  });
});

afterEach(async () => {
  database.close();
  await rm(directory, { recursive: true, force: true });
});

const CONTAINER = {
  name: "web",
  image: "web",
  argv: ["/bin/x"],
  env: ["A=1"],
  cwd: "/",
  user: "",
  hostname: "web",
  tty: false,
  openStdin: false,
  network: { mode: "none", attachments: [] },
  binds: [],
  ports: [{ hostAddress: "127.0.0.1", hostPort: 80, containerPort: 80, protocol: "tcp" }],
  limits: { memory: 1 << 30 },
  labels: { a: "b" },
  autoRemove: false,
  init: true,
};

async function make(name: string, container: object = CONTAINER, fill = "x") {
  const { id, dir } = await store.begin(name);
  await writeFile(join(dir, "images/core-2.img"), "core");
  await writeFile(join(dir, "images/pages-1.img"), Buffer.concat([Buffer.alloc(40_960, fill), Buffer.alloc(8192)]));
  await mkdir(join(dir, "upper/etc"));
  await writeFile(join(dir, "upper/etc/hosts"), "127.0.0.1 web\n", { mode: 0o640 });
  if (root) await execOk(["mknod", join(dir, "upper/etc/gone"), "c", "0", "0"]);
  return store.commit(id, {
    name,
    image: "web",
    containerName: "web",
    layers: [LAYER],
    container: { ...container, lowers: [layer, join(paths.layers, "..", "init")] },
    facts: await machineFacts("4.2.1"),
    mainPid: 2,
    stdio: [null, "pipe:[11]", null],
    engine: "criu",
    reasons: [],
    frozenMs: 12.5,
  });
}

const at = (name: string) => join(directory, name);

const take = (file: string, changes: object = {}) =>
  archives.import({ file, trust: false, name: "taken", ...changes }, SIGNAL);

/** Nothing but the checkpoints that were made on purpose. */
async function expectNothingLeft(...names: string[]): Promise<void> {
  expect(store.list().map(({ name }) => name)).toEqual(names);
  expect(await readdir(paths.tmp)).toEqual([]);
  expect(await readdir(paths.checkpoints)).toHaveLength(names.length);
}

test("processes that may do more than their container are taken on trust alone", async () => {
  await make("web");
  await archives.export("web", at("a.tar"), SIGNAL);
  excess = ["capabilities that the container has not"];
  const refused = {
    code: "NOT_PERMITTED",
    message: expect.stringContaining("capabilities that the container has not"),
  };
  await expect(take(at("a.tar"))).rejects.toMatchObject(refused);
  await expectNothingLeft("web");
  expect((await take(at("a.tar"), { trust: true })).name).toBe("taken");
});

test.each(["a.tar.zst", "a.tar.gz", "a.tar"])("%s: what comes back is what was taken", async (name) => {
  const made = await make("web");
  const { sha256 } = await archives.export("web", at(name), SIGNAL);
  expect((await lstat(at(name))).mode & 0o777).toBe(0o600);
  const taken = await take(at(name), { sha256 });
  const { files, facts, stdio, mainPid, pagesBytes, imagesBytes, frozenMs, summary } = made;
  expect(taken).toMatchObject({ files, facts, stdio, mainPid, pagesBytes, imagesBytes, frozenMs });
  expect(taken.summary).toEqual(summary);
  expect(taken.container).toMatchObject(made.container);
  const upper = join(store.directoryOf(taken.id), "upper");
  expect(await readFile(join(upper, "etc/hosts"), "utf8")).toBe("127.0.0.1 web\n");
  expect((await lstat(join(upper, "etc/hosts"))).mode & 0o777).toBe(0o640);
  if (root) expect((await lstat(join(upper, "etc/gone"))).rdev).toBe(0);
  await store.verify(taken.id);
  await expectNothingLeft("web", "taken");
});

test("pages that are shared are whole in the archive", async () => {
  compile = async () => ({ engine: "thaw", reasons: [] });
  await make("first");
  const made = await make("web");
  expect(made.files.map(({ path }) => path)).not.toContain("images/pages-1.img");
  await archives.export("web", at("a.tar"), SIGNAL);
  compile = async () => ({ engine: "criu", reasons: [] });
  const taken = await take(at("a.tar"));
  const pages = await readFile(join(store.directoryOf(taken.id), "images/pages-1.img"));
  expect(pages.equals(Buffer.concat([Buffer.alloc(40_960, "x"), Buffer.alloc(8192)]))).toBe(true);
});

test("the parts have the names that podman's tools know", async () => {
  await make("web");
  await archives.export("web", at("a.tar"), SIGNAL);
  const parts = new Map((await entriesOf(at("a.tar"))).map(({ header, body }) => [header.name, body.toString()]));
  expect([...parts.keys()][0]).toBe("thaw.json");
  expect(JSON.parse(parts.get("config.dump") ?? "")).toMatchObject({ name: "web", rootfsImageName: "web" });
  expect(JSON.parse(parts.get("spec.dump") ?? "")).toMatchObject({ process: { args: ["/bin/x"] }, hostname: "web" });
  expect(parts.get("checkpoint/core-2.img")).toBe("core");
  if (root) expect(JSON.parse(parts.get("deleted.files") ?? "")).toEqual(["etc/gone"]);
});

test("an archive that is there already is left alone; one that fails leaves no file", async () => {
  await make("web");
  await writeFile(at("a.tar"), "mine");
  await expect(archives.export("web", at("a.tar"), SIGNAL)).rejects.toMatchObject({ code: "NAME_IN_USE" });
  expect(await readFile(at("a.tar"), "utf8")).toBe("mine");
  await expect(archives.export("web", at("no/a.tar"), SIGNAL)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  await expect(archives.export("web", at("b.tar"), AbortSignal.abort())).rejects.toThrow();
  expect(existsSync(at("b.tar"))).toBe(false);
  await writeFile(join(store.directoryOf(store.get("web").id), "images/core-2.img"), "c0re");
  await expect(archives.export("web", at("c.tar"), SIGNAL)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  await expectNothingLeft("web");
});

interface Entry {
  header: TarHeader;
  body: Buffer;
}

async function entriesOf(file: string): Promise<Entry[]> {
  const entries: Entry[] = [];
  const source = Bun.file(file).stream();
  for await (const entry of readTar(source)) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of entry.body()) chunks.push(chunk);
    entries.push({ header: entry.header, body: Buffer.concat(chunks) });
  }
  return entries;
}

/** Writes an archive of entries as they are given. */
async function write(file: string, entries: readonly Entry[]): Promise<void> {
  const parts = entries.flatMap(({ header, body }) => {
    return [encodeHeader({ ...header, size: body.length }), body, new Uint8Array(padding(body.length))];
  });
  await writeFile(file, Buffer.concat([...parts, new Uint8Array(2 * BLOCK)]));
}

/** An archive with something done to its entries. */
async function forged(change: (entries: Entry[]) => Entry[]): Promise<string> {
  await make("web");
  await archives.export("web", at("good.tar"), SIGNAL);
  await store.remove("web");
  await write(at("bad.tar"), change(await entriesOf(at("good.tar"))));
  return at("bad.tar");
}

const named = (entries: Entry[], name: string): Entry => {
  const found = entries.find(({ header }) => header.name === name);
  if (found === undefined) throw new Error(name);
  return found;
};

/** Does something to thaw.json. */
const described = (change: (content: Record<string, never>) => unknown) => (entries: Entry[]) => {
  const [first, ...rest] = entries;
  if (first === undefined) return entries;
  return [{ ...first, body: Buffer.from(JSON.stringify(change(JSON.parse(first.body.toString())))) }, ...rest];
};

const core = (entries: Entry[]) => named(entries, "checkpoint/core-2.img");
const renamed = (entry: Entry, changes: Partial<TarHeader>): Entry => ({
  ...entry,
  header: { ...entry.header, ...changes },
});

const HOSTILE: Record<string, [(entries: Entry[]) => Entry[], string]> = {
  "an image more than named": [(all) => [...all, renamed(core(all), { name: "checkpoint/fs-2.img" })], "BAD_ARCHIVE"],
  "an image twice": [(all) => [...all, core(all)], "BAD_ARCHIVE"],
  "an image with other bytes": [
    (all) => all.map((one) => (one === core(all) ? { ...one, body: Buffer.from("c0re") } : one)),
    "DIGEST_MISMATCH",
  ],
  "an image of another size": [
    (all) => all.map((one) => (one === core(all) ? { ...one, body: Buffer.from("cores") } : one)),
    "DIGEST_MISMATCH",
  ],
  "an image that is a link": [
    (all) =>
      all.map((one) =>
        one === core(all)
          ? { ...renamed(one, { type: "symlink", linkname: "/etc/shadow" }), body: Buffer.alloc(0) }
          : one,
      ),
    "BAD_ARCHIVE",
  ],
  "an image missing": [(all) => all.filter((one) => one !== core(all)), "BAD_ARCHIVE"],
  "no root file system": [(all) => all.filter(({ header }) => header.name !== "rootfs-diff.tar"), "BAD_ARCHIVE"],
  "another file first": [(all) => [...all.slice(1), ...all.slice(0, 1)], "NOT_PERMITTED"],
  "a name with a path in thaw.json": [
    described((content) => ({ ...content, images: [{ name: "../x", size: 0, sha256: LAYER }] })),
    "BAD_ARCHIVE",
  ],
  "a huge count": [described((content) => ({ ...content, rootfs: { size: 2 ** 52, sha256: LAYER } })), "BAD_ARCHIVE"],
  "a negative size": [described((content) => ({ ...content, rootfs: { size: -1, sha256: LAYER } })), "BAD_ARCHIVE"],
  "a field nobody knows": [described((content) => ({ ...content, more: 1 })), "BAD_ARCHIVE"],
  "another version": [described((content) => ({ ...content, version: 2 })), "CHECKPOINT_INCOMPATIBLE"],
  "other layers": [described((content) => ({ ...content, layers: ["b".repeat(64)] })), "CHECKPOINT_INCOMPATIBLE"],
  "a pipe that is an option": [
    described((content) => ({
      ...content,
      checkpoint: { ...Object(content.checkpoint), stdio: ["--exec", null, null] },
    })),
    "BAD_ARCHIVE",
  ],
  "an image that is not here": [
    described((content) => ({ ...content, container: { ...CONTAINER, image: "other" } })),
    "IMAGE_NOT_FOUND",
  ],
  "a bind of the host": [
    described((content) => {
      return { ...content, container: { ...CONTAINER, binds: [{ source: "/", target: "/host", readonly: false }] } };
    }),
    "NOT_PERMITTED",
  ],
  "all privileges": [
    described((content) => ({ ...content, container: { ...CONTAINER, isolation: { privileged: true } } })),
    "NOT_PERMITTED",
  ],
  "hooks of another thaw": [
    described((content) => ({ ...content, container: { ...CONTAINER, hooks: "d".repeat(32) } })),
    "CHECKPOINT_INCOMPATIBLE",
  ],
  "hooks of its choice": [
    described((content) => ({ ...content, container: { ...CONTAINER, hooks: "/etc" } })),
    "BAD_ARCHIVE",
  ],
  "lower directories of its choice": [
    described((content) => ({ ...content, container: { ...CONTAINER, lowers: ["/"] } })),
    "BAD_ARCHIVE",
  ],
};

test.each(Object.entries(HOSTILE))("refused: %s", async (_, [change, code]) => {
  const file = await forged(change);
  await expect(take(file)).rejects.toMatchObject({ code });
  await expectNothingLeft();
});

test("a writable layer cannot reach out of its directory", async () => {
  const evil = (header: Partial<TarHeader>, body = "") => {
    const common = { type: "file", mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: "0", linkname: "" } as const;
    const full = { ...common, name: "x", major: 0, minor: 0, xattrs: new Map<string, string>(), ...header };
    return Buffer.concat([encodeHeader(full), Buffer.from(body), new Uint8Array(padding(body.length))]);
  };
  const layers = [
    [evil({ name: "../../escaped" }, "x")],
    [evil({ name: "link", type: "symlink", linkname: directory }), evil({ name: "link/escaped" }, "x")],
    [evil({ name: "hard", type: "hardlink", linkname: "../../../etc/passwd" })],
  ];
  await make("web");
  await archives.export("web", at("good.tar"), SIGNAL);
  await store.remove("web");
  for (const parts of layers) {
    const body = Buffer.concat([...parts, new Uint8Array(2 * BLOCK)]);
    const rootfs = { size: body.length, sha256: new Bun.CryptoHasher("sha256").update(body).digest("hex") };
    const entries = described((content) => ({ ...content, rootfs }))(await entriesOf(at("good.tar")));
    await write(
      at("bad.tar"),
      entries.map((one) => (one.header.name === "rootfs-diff.tar" ? { ...one, body } : one)),
    );
    await take(at("bad.tar")).then(
      ({ name }) => store.remove(name),
      ({ code }) => expect(["BAD_ARCHIVE", "INVALID"]).toContain(code),
    );
    expect(existsSync(at("escaped"))).toBe(false);
    await expectNothingLeft();
  }
});

test("cut anywhere, or with any byte changed, an archive is refused or the same", async () => {
  const made = await make("web");
  await archives.export("web", at("good.tar"), SIGNAL);
  const good = await readFile(at("good.tar"));
  for (let round = 0; round < 60; round++) {
    const where = Math.floor((good.length * round) / 60);
    const flipped = Buffer.from(good);
    flipped[where] = (flipped[where] ?? 0) ^ 0x41;
    for (const bad of [good.subarray(0, where), flipped]) {
      await writeFile(at("bad.tar"), bad);
      const result = await take(at("bad.tar")).catch((error: unknown) => error);
      if (result instanceof ThawError) continue;
      // A byte of a part that thaw does not read, or of a header's time.
      const files = store.get("taken").files.filter(({ path }) => path !== "images/stats-dump");
      expect(files).toEqual([...made.files]);
      await store.remove("taken");
    }
  }
  await expectNothingLeft("web");
});

test("a small file that is a large one is not read to its end", async () => {
  await make("web");
  await archives.export("web", at("good.tar"), SIGNAL);
  await store.remove("web");
  const bomb = renamed(named(await entriesOf(at("good.tar")), "network.status"), { name: "ctr.log" });
  await write(at("bad.tar"), [...(await entriesOf(at("good.tar"))), { ...bomb, body: Buffer.alloc(200 << 20) }]);
  await execOk(["zstd", "-q", "--rm", at("bad.tar")]);
  await expect(take(at("bad.tar.zst"))).rejects.toThrow("has more than the");
  await expectNothingLeft();
});

test("what is no archive at all, or another file than was meant", async () => {
  await writeFile(at("empty"), "");
  await writeFile(at("text"), "hello");
  await symlink("/dev/zero", at("zero"));
  for (const name of ["empty", "text", "none"]) {
    await expect(take(at(name))).rejects.toBeInstanceOf(ThawError);
  }
  await make("web");
  await archives.export("web", at("a.tar"), SIGNAL);
  await expect(take(at("a.tar"), { sha256: LAYER })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  await expect(take(at("a.tar"), { name: "web" })).rejects.toMatchObject({ code: "NAME_IN_USE" });
  await expect(take(at("a.tar"), { name: undefined })).rejects.toMatchObject({ code: "NAME_IN_USE" });
});
