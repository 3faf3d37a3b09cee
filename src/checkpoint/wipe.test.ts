import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { wipeUnforked } from "./wipe.ts";

const PAGE = 4096;
const MAGIC = { common: 0x54564319, mm: 0x57492820, pagemap: 0x56084025 } as const;
const WIPE = 1n << 18n;

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thaw-test-"));
});

afterEach(() => rm(directory, { recursive: true }));

function image(magic: number, ...entries: readonly Uint8Array[]): Uint8Array {
  const words = (...values: readonly number[]) => Buffer.from(new Uint32Array(values).buffer);
  return Buffer.concat([words(MAGIC.common, magic), ...entries.flatMap((entry) => [words(entry.length), entry])]);
}

function mapping(start: number, end: number, advice: bigint): Uint8Array {
  const vma = new BinaryWriter();
  const numbers = [start * PAGE, end * PAGE, 0, 0, 3, 0x22, 0x201];
  numbers.forEach((value, i) => void vma.tag(i + 1, 0).uint64(value));
  return vma.tag(8, 0).sint64(-1).tag(9, 0).uint64(advice).finish();
}

/** Mappings in pages: [start, end, advice]. Pages: [first, count]. */
async function write(mappings: readonly [number, number, bigint][], pages: readonly [number, number][]): Promise<void> {
  const mm = new BinaryWriter();
  for (let field = 1; field <= 12; field++) mm.tag(field, 0).uint64(0);
  for (const [start, end, advice] of mappings) mm.tag(14, 2).bytes(mapping(start, end, advice));
  await writeFile(join(directory, "mm-2.img"), image(MAGIC.mm, mm.finish()));
  const entries = pages.map(([first, count]) =>
    new BinaryWriter()
      .tag(1, 0)
      .uint64(first * PAGE)
      .tag(2, 0)
      .uint32(count)
      .tag(4, 0)
      .uint32(4)
      .tag(5, 0)
      .uint64(count)
      .finish(),
  );
  const head = new BinaryWriter().tag(1, 0).uint32(1).finish();
  await writeFile(join(directory, "pagemap-2.img"), image(MAGIC.pagemap, head, ...entries));
}

const pagesFile = () => join(directory, "pages-1.img");

/** Which pages of the file are zeros; all were ones. */
async function zeros(): Promise<number[]> {
  const bytes = await readFile(pagesFile());
  return Array.from({ length: bytes.length / PAGE }, (_, i) => i).filter((i) =>
    bytes.subarray(i * PAGE, (i + 1) * PAGE).every((byte) => byte === 0),
  );
}

test("pages of what no fork is to have are overwritten, and no others", async () => {
  await write(
    [
      [10, 20, 0n],
      [20, 24, WIPE],
      [24, 30, 1n << 10n],
      [40, 41, WIPE | (1n << 16n)],
    ],
    [
      [12, 2],
      [19, 3],
      [23, 2],
      [40, 1],
    ],
  );
  await writeFile(pagesFile(), new Uint8Array(8 * PAGE).fill(1));
  await wipeUnforked(directory);
  // In the file: 12 13 | 19 20 21 | 23 24 | 40.
  expect(await zeros()).toEqual([3, 4, 5, 7]);
});

test("nothing is written beyond the pages that are there, or through a link", async () => {
  await write(
    [
      [20, 21, WIPE],
      [20, 2 ** 30, WIPE],
    ],
    [
      [20, 1],
      [30, 2 ** 29],
    ],
  );
  await writeFile(pagesFile(), new Uint8Array(2 * PAGE).fill(1));
  await wipeUnforked(directory);
  expect(await zeros()).toEqual([0]);
  expect((await readFile(pagesFile())).length).toBe(2 * PAGE);
  const elsewhere = join(directory, "elsewhere");
  await writeFile(elsewhere, "as it was".padEnd(PAGE));
  await rm(pagesFile());
  await symlink(elsewhere, pagesFile());
  await expect(wipeUnforked(directory)).rejects.toMatchObject({ code: "ELOOP" });
  expect(await readFile(elsewhere, "utf8")).toStartWith("as it was");
});

test("images that are missing or damaged are left to others", async () => {
  await write([[20, 21, WIPE]], [[20, 1]]);
  await wipeUnforked(directory);
  await writeFile(join(directory, "pagemap-2.img"), "damage");
  await wipeUnforked(directory);
  await writeFile(join(directory, "mm-2.img"), "damage");
  await wipeUnforked(directory);
});
