/**
 * Checkpoints that are not as they were made. A changed byte is found by its digest before anything runs. Should that not
 * see it, the launcher refuses the tables, or the restorer fails, or what comes back is some process in its sandbox: the
 * launcher goes on serving, and nothing is left.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import fc from "fast-check";
import { HEADER_BYTES } from "../src/checkpoint/compile/generated/tables.ts";
import { tablesOf } from "../src/checkpoint/engine/compiled.ts";
import type { ReadyCheckpoint } from "../src/checkpoint/index.ts";
import { findCriu, Machine } from "./support/machine.ts";
import { holdsAsync } from "./support/property.ts";
import { installIngredients, Restores } from "./support/restore-plans.ts";

const criu = await findCriu();
if (typeof criu === "string") console.log(`skipped: checkpoints need a working CRIU: ${criu}`);

const TABLES = "compiled/process.tables";
/** Of the header in front of the (offset, count) pairs of its sections: magic, version, size. */
const PAIRS_AT = 16;
/** In the order of protocol/restore.yaml. */
const SECTIONS = [
  ...["vmas", "runs", "huge", "advice", "prefault", "files", "descriptors", "watches", "options", "packets"],
  ...["locks", "owners"],
  ...["threads", "signals", "rlimits", "itimers", "timers", "filters", "groups", "auxv", "data"],
];
const DAMAGED = 160;

interface Part {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

/** Where the parts of a table file are that are not empty. */
function partsOf(tables: Uint8Array): Part[] {
  const view = new DataView(tables.buffer, tables.byteOffset, tables.byteLength);
  const starts = SECTIONS.map((name, i) => ({
    name,
    start: view.getUint32(PAIRS_AT + i * 8, true),
    count: view.getUint32(PAIRS_AT + i * 8 + 4, true),
  }));
  const sections = starts.flatMap(({ name, start, count }, i) => {
    const end = starts[i + 1]?.start ?? tables.length;
    return count === 0 ? [] : [{ name, start, end }];
  });
  return [{ name: "header", start: 0, end: HEADER_BYTES }, ...sections];
}

describe.skipIf(typeof criu === "string")("hostile checkpoints", () => {
  let machine: Machine;
  let restores: Restores;
  let ready: ReadyCheckpoint;
  let directory: string;
  let report: string;
  let launcher: number;

  beforeAll(async () => {
    if (typeof criu === "string") return;
    machine = await Machine.start(criu);
    await installIngredients(machine);
    restores = new Restores(machine);
    const { checkpoints, containers, store } = machine.daemon;
    const id = await restores.start("good");
    report = await restores.report(id);
    await checkpoints.create(id, "good");
    await containers.remove(id);
    ready = await checkpoints.prepare("good");
    directory = store.directoryOf(ready.manifest.id);
    launcher = await machine.launcherPid();
  });

  afterAll(async () => {
    if (typeof criu !== "string") expect(await machine.close()).toEqual([]);
  });

  /** The launcher is the same, and restores what is good. */
  async function expectServing(): Promise<void> {
    expect(await machine.launcherPid()).toBe(launcher);
    const outcome = await restores.restore(ready);
    expect(await restores.report(outcome.id)).toBe(report);
    expect(await restores.end(outcome)).toEqual([]);
  }

  async function withChanged(path: string, change: (bytes: Buffer) => Buffer, then: () => Promise<void>) {
    const file = join(directory, path);
    const good = readFileSync(file);
    writeFileSync(file, change(Buffer.from(good)));
    try {
      await then();
    } finally {
      writeFileSync(file, good);
    }
  }

  async function expectMismatch(): Promise<void> {
    const { checkpoints } = machine.daemon;
    await expect(checkpoints.prepare("good", { verifyAgain: true })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(checkpoints.restore("good", { containerName: "never" })).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
  }

  test("a flipped bit in any section of the tables, in pages or in other images is found before anything runs", async () => {
    const flip = (at: number) => (bytes: Buffer) => {
      bytes[at] = (bytes[at] ?? 0) ^ 4;
      return bytes;
    };
    const parts = partsOf(readFileSync(join(directory, TABLES)));
    expect(parts.map(({ name }) => name)).toContain("threads");
    for (const { start, end } of parts) {
      await withChanged(TABLES, flip(start + ((end - start) >> 1)), expectMismatch);
    }
    await withChanged(TABLES, (bytes) => bytes.subarray(0, -1), expectMismatch);
    await withChanged(TABLES, (bytes) => Buffer.concat([bytes, Buffer.of(0)]), expectMismatch);
    for (const { path, size } of ready.manifest.files) {
      if (path !== TABLES && size > 0) await withChanged(path, flip(size - 1), expectMismatch);
    }
    const { packs } = tablesOf(ready.manifest, directory);
    expect(packs.length).toBeGreaterThan(0);
    for (const pack of packs) await withChanged(relative(directory, pack), flip(0), expectMismatch);
    expect(machine.daemon.containers.list({ all: true }).map(({ spec }) => spec.name)).not.toContain("never");
    await machine.daemon.checkpoints.prepare("good", { verifyAgain: true });
    await expectServing();
  });

  test("tables whose digest was made to fit: refused, failed or dead in their sandbox, and the launcher serves on", async () => {
    const good = readFileSync(join(directory, TABLES));
    const parts = partsOf(good);
    const value = fc.constantFrom(0, 1, 0x7fffffff, 0xffffffff, 4095, 1 << 20);
    const how = fc.record({
      part: fc.constantFrom(...parts),
      at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      change: fc.oneof(fc.nat(31), value),
      flips: fc.boolean(),
      fromTemplate: fc.boolean(),
    });
    const seen = new Map<string, number>();
    await holdsAsync(
      fc.asyncProperty(how, async ({ part, at, change, flips, fromTemplate }) => {
        const tables = new Uint8Array(good);
        const view = new DataView(tables.buffer);
        const place = (part.start + Math.floor(at * (part.end - part.start))) & ~3;
        view.setUint32(place, flips ? view.getUint32(place, true) ^ (1 << (change & 31)) : change, true);
        const path = restores.writeBytes(tables);
        const template = fromTemplate ? await restores.template(ready, { tables: path }) : undefined;
        const outcome =
          template === undefined || template.is === "running"
            ? await restores.restore(ready, { tables: path, ...(template && { template: template.id }) })
            : template;
        seen.set(outcome.is, (seen.get(outcome.is) ?? 0) + 1);
        expect(outcome.is).not.toBe("hung");
        if (outcome.is === "failed") expect(outcome.detail).not.toBe("");
        expect(await restores.end(outcome)).toEqual([]);
        if (template && template !== outcome) expect(await restores.end(template)).toEqual([]);
        expect(await machine.launcherPid()).toBe(launcher);
      }),
      DAMAGED,
    );
    // Some of each, or it tried nothing.
    expect(seen.get("failed")).toBeGreaterThan(10);
    expect(seen.get("running")).toBeGreaterThan(10);
    await expectServing();
  }, 240_000);

  test("foreign and empty tables, and huge counts, are refused in the launcher's words", async () => {
    const good = readFileSync(join(directory, TABLES));
    const counts = SECTIONS.map((_, i) => {
      const tables = new Uint8Array(good);
      new DataView(tables.buffer).setUint32(PAIRS_AT + i * 8 + 4, 0x10000000, true);
      return tables;
    });
    for (const tables of [...counts, good.subarray(0, 64), good.subarray(0, -8), new Uint8Array(4096)]) {
      const outcome = await restores.restore(ready, { tables: restores.writeBytes(tables) });
      expect(outcome).toMatchObject({ is: "failed", detail: expect.stringMatching(/^tables: /) });
      expect(await restores.end(outcome)).toEqual([]);
    }
    const empty = await restores.restore(ready, { tables: restores.writeBytes(new Uint8Array()) });
    expect(empty).toMatchObject({ is: "failed", detail: "reading the tables" });
    expect(await restores.end(empty)).toEqual([]);
    await expectServing();
  });
});
