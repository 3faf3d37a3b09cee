/**
 * Allocators after a restore, with each engine: contents stay, calloc gives zeros out of pages that were full, blocks
 * grow. An engine that maps its snapshot behind the program's memory, instead of filling it, fails here.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findCriu, Machine } from "./support/machine.ts";
import { bringLibraries, compileInto, RUNS, restoreChecked, startChecked, TRIED_ENGINES } from "./support/restores.ts";

const criu = await findCriu();
const JEMALLOC = "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2";
const hasJemalloc = existsSync(JEMALLOC);
const preloaded = (config: string) => [`LD_PRELOAD=${JEMALLOC}`, `MALLOC_CONF=${config}`];

async function fill(root: string): Promise<void> {
  await compileInto(root, "allocators");
  if (!hasJemalloc) return;
  await mkdir(dirname(join(root, JEMALLOC)), { recursive: true });
  await copyFile(JEMALLOC, join(root, JEMALLOC));
  await bringLibraries(root, JEMALLOC);
}

/** How memory goes back to the kernel: not at all below the top, by MADV_DONTNEED at once, by MADV_FREE after a while. */
const ALLOCATORS: Record<string, { env: readonly string[]; items: readonly string[] }> = {
  glibc: { env: [], items: [] },
  "jemalloc that purges at once": { env: preloaded("dirty_decay_ms:0,muzzy_decay_ms:0"), items: ["+jemalloc"] },
  "jemalloc that purges by and by": { env: preloaded("dirty_decay_ms:50,muzzy_decay_ms:50"), items: ["+jemalloc"] },
};

for (const engine of TRIED_ENGINES) {
  const why = typeof criu === "string" ? ` (${criu})` : "";
  describe.skipIf(typeof criu === "string")(`allocators after restores by ${engine}${why}`, () => {
    let machine: Machine;

    beforeAll(async () => {
      if (typeof criu === "string") return;
      machine = await Machine.start(criu, { engine, fill });
    }, 30_000);

    afterAll(async () => {
      expect(await machine.close()).toEqual([]);
    });

    for (const [name, { env, items }] of Object.entries(ALLOCATORS)) {
      const lacks = items.length > 0 && !hasJemalloc;
      test.skipIf(lacks)(
        `${name}${lacks ? ` (needs ${JEMALLOC})` : ""}`,
        async () => {
          const { containers, checkpoints } = machine.daemon;
          const id = await startChecked(machine, "original", ["allocators", "8000", ...items], { env });
          expect(await checkpoints.create(id, "full")).toMatchObject({ engine, reasons: [] });
          for (let run = 1; run <= Math.ceil(RUNS / 2); run++) await restoreChecked(machine, "full", `run-${run}`);
          await containers.remove(id);
          await checkpoints.remove("full");
        },
        RUNS * 5000 + 10_000,
      );
    }
  });
}
