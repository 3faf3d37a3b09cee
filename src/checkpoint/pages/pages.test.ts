import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFile, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type Paths, thawPaths } from "../../common/paths.ts";
import { machineFacts } from "../facts.ts";
import type { CheckpointManifest } from "../manifest.ts";
import type { Compiled } from "../seal.ts";
import { CheckpointStore } from "../store.ts";
import { PageTable } from "./index.ts";
import { decodeRecipe, encodeRecipe, PAGE, type Run, runsOf } from "./recipe.ts";

let root: string;
let paths: Paths;
let database: Database;
let compiled: Compiled;
let store: CheckpointStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "thaw-test-"));
  paths = thawPaths({ THAW_DATA: join(root, "data") });
  database = new Database(":memory:");
  compiled = { engine: "thaw", reasons: [] };
  store = new CheckpointStore(paths, database, async () => compiled);
});

afterEach(async () => {
  database.close();
  await rm(root, { recursive: true, force: true });
});

/** Pages as a string: each letter a page of its own content, "." one of zeros. */
function memory(letters: string): Buffer {
  const pages = [...letters].map((letter) => {
    const page = Buffer.alloc(PAGE, letter === "." ? 0 : letter);
    // Pages of one content that are stored as another would have equal first bytes.
    if (letter !== ".") page.writeUInt32LE(letter.charCodeAt(0), PAGE - 4);
    return page;
  });
  return Buffer.concat(pages);
}

async function make(name: string, letters: string): Promise<CheckpointManifest> {
  const { id, dir } = await store.begin(name);
  await writeFile(join(dir, "images/pages-1.img"), memory(letters));
  await writeFile(join(dir, "images/core-2.img"), "core");
  return store.commit(id, {
    name,
    image: "i",
    containerName: "c",
    layers: [],
    container: {},
    facts: await machineFacts("4.2.1"),
    mainPid: 2,
    stdio: [null, null, null],
    engine: "criu",
    reasons: [],
    frozenMs: 1,
  });
}

/** The whole pages file, read by its recipe. */
async function gathered(name: string): Promise<string> {
  const dir = store.directoryOf(store.get(name).id);
  const table = await PageTable.open(dir);
  const parts: Buffer[] = [];
  for (const { file, first, pages, zeros } of table.runs("pages-1.img", 0, table.pages)) {
    const all = await readFile(join(dir, file));
    parts.push(all.subarray(first * PAGE, (first + pages) * PAGE));
    // What is said to be zeros is so in the file, too.
    expect(parts.at(-1)?.every((byte) => byte === 0)).toBe(zeros);
  }
  return lettersOf(Buffer.concat(parts));
}

function lettersOf(bytes: Buffer): string {
  const letters: string[] = [];
  for (let at = 0; at < bytes.length; at += PAGE) letters.push(String.fromCharCode(bytes[at] || ".".charCodeAt(0)));
  expect(memory(letters.join("")).equals(bytes)).toBe(true);
  return letters.join("");
}

const packs = async () => (await readdir(paths.packs)).filter((name) => !name.includes(".")).sort();
const blocks = async (dir: string, path: string) => (await stat(join(dir, path))).blocks * 512;

test("pages of zeros take no room, and the file is CRIU's still", async () => {
  compiled = { engine: "criu", reasons: ["fd 7"] };
  const made = await make("web", "ab....c.d");
  const dir = store.directoryOf(made.id);
  expect(lettersOf(await readFile(join(dir, "images/pages-1.img")))).toBe("ab....c.d");
  expect(await blocks(dir, "images/pages-1.img")).toBe(4 * PAGE);
  expect(made).toMatchObject({ engine: "criu", reasons: ["fd 7"], pagesBytes: 9 * PAGE, imagesBytes: 9 * PAGE + 4 });
  expect(await readdir(dir)).not.toContain("packs");
  await store.verify(made.id);
});

test("a compiled checkpoint shares what others have, and nothing else changes", async () => {
  const first = await make("one", "abcdefgh..ij");
  expect(await gathered("one")).toBe("abcdefgh..ij");
  const second = await make("two", "xbcdefy...ijz");
  expect(await gathered("two")).toBe("xbcdefy...ijz");
  // "ij" alone is too short to be worth it.
  const own = (await packs()).find((name) => !first.files.some(({ path }) => path.endsWith(name))) ?? "";
  const dir = store.directoryOf(second.id);
  expect(await blocks(dir, `packs/${own}`)).toBe(5 * PAGE);
  expect(second.pagesBytes).toBe(13 * PAGE);
  expect((await PageTable.open(dir)).gathered).toEqual(["pages-1.img"]);
  expect((await PageTable.open(store.directoryOf(first.id))).gathered).toEqual([]);
  await store.verify(second.id);
  expect(await store.sweep()).toEqual([]);
});

test("pages live until no checkpoint needs them, whoever had them first", async () => {
  await make("one", "abcdefgh");
  const { id } = await make("two", "abcdefghij");
  await make("three", "qrstuv");
  await store.remove("one");
  expect(await packs()).toHaveLength(3);
  await store.verify(id);
  expect(await gathered("two")).toBe("abcdefghij");
  await store.remove("two");
  expect(await packs()).toHaveLength(1);
  await store.remove("three");
  expect(await readdir(paths.packs)).toEqual([]);
});

test("what a CRIU checkpoint has is shared by later ones; equal files are one", async () => {
  compiled = { engine: "criu", reasons: [] };
  const one = await make("one", "abcdefgh");
  const same = await make("same", "abcdefgh");
  const inode = async ({ id }: CheckpointManifest) =>
    (await stat(join(store.directoryOf(id), "images/pages-1.img"))).ino;
  expect(await inode(same)).toBe(await inode(one));
  compiled = { engine: "thaw", reasons: [] };
  const { id } = await make("two", "zabcdefg");
  expect(
    await blocks(
      store.directoryOf(id),
      `packs/${(await packs()).find((name) => name !== one.files.find(({ path }) => path.includes("pages-1"))?.sha256)}`,
    ),
  ).toBe(PAGE);
});

test("a pack that is damaged is not believed, and found by who has it", async () => {
  const { id } = await make("one", "abcdefgh");
  const [pack = ""] = await packs();
  await writeFile(join(paths.packs, pack), memory("abcdXfgh"));
  await make("two", "abcdefgh");
  expect(await gathered("two")).toBe("abcdefgh");
  await expect(store.verify(id)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  await store.verify(store.get("two").id);
});

test("hashes that are gone or wrong cost sharing and nothing else", async () => {
  await make("one", "abcdefgh");
  const [pack = ""] = await packs();
  await appendFile(join(paths.packs, `${pack}.pages`), "x");
  await make("two", "abcdefghi");
  const hashes = new Float64Array(
    await Bun.file(join(paths.packs, `${(await packs()).find((name) => name !== pack)}.pages`)).arrayBuffer(),
  );
  await writeFile(join(paths.packs, `${pack}.pages`), new Float64Array([...hashes].reverse()));
  await make("three", "abcdefghij");
  for (const name of ["one", "two", "three"]) await store.verify(store.get(name).id);
  expect(await gathered("three")).toBe("abcdefghij");
});

test("files that are emitted see where the pages are", async () => {
  const seen: unknown[] = [];
  const emit = async (pages: PageTable) => {
    seen.push(...pages.runs("pages-1.img", 1, 4));
    return { ok: true as const, packs: ["images/pages-1.img"], oomScore: 7, workingSetBytes: 0 };
  };
  compiled = { engine: "thaw", reasons: [], emit };
  const { files, compiled: kept } = await make("one", "ab..c");
  expect(kept).toEqual({ packs: ["images/pages-1.img"], oomScore: 7 });
  const file = files.find(({ path }) => path.startsWith("packs/"))?.path;
  expect(seen).toEqual([
    { file, first: 1, pages: 1, zeros: false },
    { file, first: 2, pages: 2, zeros: true },
    { file, first: 4, pages: 1, zeros: false },
  ]);
});

test("what the hook refuses is not made, and nothing of it is left", async () => {
  compiled = { engine: "thaw", reasons: [], emit: () => Promise.reject(new Error("no")) };
  await expect(make("one", "abcdefgh")).rejects.toThrow("no");
  expect([await readdir(paths.tmp), store.list()]).toEqual([[], []]);
});

const run = fc.record({
  pack: fc.option(
    fc.constantFrom("0", "7", "f").map((digit) => digit.repeat(64)),
    { nil: undefined },
  ),
  first: fc.nat(100_000),
  pages: fc.integer({ min: 1, max: 1000 }),
});

test("recipes come back as they were; any part of one is the same pages", () => {
  const property = fc.property(fc.array(run), fc.nat(5000), fc.nat(5000), (some, from, count) => {
    const runs: Run[] = some.map((one) => (one.pack === undefined ? { ...one, first: 0 } : one));
    const recipe = { own: "0".repeat(64), runs, pages: runs.reduce((sum, { pages }) => sum + pages, 0) };
    expect(decodeRecipe(encodeRecipe(recipe))).toEqual(recipe);
    const [first, pages] = [Math.min(from, recipe.pages), Math.min(count, Math.max(0, recipe.pages - from))];
    const page = (list: readonly Run[]) =>
      list.flatMap(({ pack, first: start, pages: length }) =>
        Array.from({ length }, (_, index) => (pack === undefined ? "zero" : `${pack[0]}${start + index}`)),
      );
    expect(page(runsOf(recipe, first, pages))).toEqual(page(runs).slice(first, first + pages));
  });
  fc.assert(property, { seed: 1, numRuns: 50 });
});

test("a damaged recipe is refused, whatever bytes it has", () => {
  const good = encodeRecipe({
    own: "a".repeat(64),
    pages: 3,
    runs: [
      { pack: "a".repeat(64), first: 1, pages: 2 },
      { pack: undefined, first: 0, pages: 1 },
    ],
  });
  const property = fc.property(
    fc.nat(good.length - 1),
    fc.integer({ min: 1, max: 255 }),
    fc.nat(good.length),
    (at, flip, length) => {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ flip;
      try {
        const { pages, runs } = decodeRecipe(bad);
        expect(runs.reduce((sum, one) => sum + one.pages, 0)).toBe(pages);
      } catch (error) {
        expect(error).toMatchObject({ code: "INVALID" });
      }
      if (length < good.length) expect(() => decodeRecipe(good.subarray(0, length))).toThrow("page recipe");
    },
  );
  fc.assert(property, { seed: 1, numRuns: 300 });
});
