/** Images that are damaged, or of a CRIU that writes more: refused, or a process that is sound. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cp, mkdtemp, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { type Understanding, understand } from "../src/checkpoint/compile/understand.ts";
import { type Dump, Dumps } from "./support/dumps.ts";
import { findCriu } from "./support/machine.ts";
import { holdsAsync } from "./support/property.ts";
import { expectSound } from "./support/sound-process.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: dumps need a working CRIU: ${criu}`);

describe.skipIf(typeof criu === "string")("damaged images", () => {
  let dumps: Dumps;
  let everything: Dump;
  let copy: string;
  let names: string[];

  beforeAll(async () => {
    if (typeof criu === "string") return;
    dumps = await Dumps.open(criu);
    everything = await dumps.make("everything");
    copy = await mkdtemp(join(tmpdir(), "thaw-test-"));
    await cp(everything.images, copy, { recursive: true });
    names = (await readdir(copy)).filter((name) => name.endsWith(".img") && !name.startsWith("pages-"));
  });

  afterAll(async () => {
    await rm(copy, { recursive: true });
    expect(await dumps.close()).toEqual([]);
  });

  /** What is understood with another content of one image, or without it. */
  async function withImage(name: string, content: Uint8Array | undefined): Promise<Understanding> {
    const path = join(copy, name);
    const original = await readFile(path).catch(() => undefined);
    if (content === undefined) await rm(path);
    else await writeFile(path, content);
    try {
      return await understand(copy, everything.context);
    } finally {
      if (original === undefined) await rm(path);
      else await writeFile(path, original);
    }
  }

  test("an unknown file is refused by its name", async () => {
    const refused = [expect.stringMatching(/^novelty\.img: an image that thaw does not know$/)];
    expect(await withImage("novelty.img", new Uint8Array(8))).toMatchObject({ ok: false, refused });
  });

  test("an unknown field is refused by its message and number", async () => {
    for (const name of names) {
      const result = await withImage(
        name,
        withField(await readFile(join(copy, name)), name === "inventory.img" ? 4 : 8),
      );
      if (result.ok) throw new Error(`${name} was accepted with an unknown field`);
      expect(result.refused[0]).toStartWith(name);
      expect(result.refused[0]).toContain("has a field 1000 that thaw does not know");
    }
  });

  test("a missing image is refused, unless nothing depends on it", async () => {
    for (const name of names) {
      const result = await withImage(name, undefined);
      // Cgroups are the sandbox's, clocks the manifest's; without filters, or without data in flight, other processes are as sound.
      const mayMiss = ["cgroup.img", "sk-queues.img", "pipes-data.img", "timens-0.img"];
      expect([name, result.ok]).toEqual([name, mayMiss.includes(name)]);
    }
  });

  test("a missing, short or long file of pages is refused", async () => {
    const pages = join(copy, "pages-1.img");
    const { size } = Bun.file(pages);
    await rename(pages, `${copy}.away`);
    expect(await understand(copy, everything.context)).toMatchObject({ ok: false });
    await rename(`${copy}.away`, pages);
    for (const other of [size - 1, size - 4096, size + 1, size + 4096]) {
      await truncate(pages, other);
      expect(await understand(copy, everything.context)).toMatchObject({
        ok: false,
        refused: [expect.stringMatching(/^pages-1\.img: /)],
      });
    }
    await truncate(pages, size);
  });

  test("no truncated image is taken for a whole one", () =>
    holdsAsync(
      fc.asyncProperty(fc.nat(), fc.double({ min: 0, max: 1, noNaN: true }), async (which, part) => {
        const name = names[which % names.length] ?? "";
        if (["cgroup.img", "sk-queues.img", "pipes-data.img"].includes(name)) return;
        const whole = await readFile(join(copy, name));
        const cut = whole.subarray(0, Math.min(whole.length - 1, Math.floor(part * whole.length)));
        expect((await withImage(name, cut)).ok).toBe(false);
      }),
      100,
    ));

  test("whatever bits are wrong, there is a sound process or a reason", () =>
    holdsAsync(
      fc.asyncProperty(
        fc.nat(),
        fc.array(fc.tuple(fc.nat(), fc.constantFrom(1, 2, 4, 8, 16, 32, 64, 128, 0x7f, 0xff)), {
          minLength: 1,
          maxLength: 4,
        }),
        async (which, flips) => {
          const name = names[which % names.length] ?? "";
          const bytes = new Uint8Array(await readFile(join(copy, name)));
          for (const [at, bits] of flips) bytes[at % bytes.length] = (bytes[at % bytes.length] ?? 0) ^ bits;
          const result = await withImage(name, bytes);
          if (result.ok) expectSound(result.process);
          else expect(result.refused.length + result.unsafe.length).toBeGreaterThan(0);
        },
      ),
      300,
    ));
});

/** The image with a field 1000 at the end of its first message, which begins after `head` bytes of magics. */
function withField(image: Uint8Array, head: number): Uint8Array {
  const field = [0xc0, 0x3e, 1];
  const view = new DataView(image.buffer, image.byteOffset, image.byteLength);
  const length = view.getUint32(head, true);
  const end = head + 4 + length;
  const changed = Uint8Array.from([...image.subarray(0, end), ...field, ...image.subarray(end)]);
  new DataView(changed.buffer).setUint32(head, length + field.length, true);
  return changed;
}
