/** Tables as `emit` writes them, which the launcher's own check has to take, whatever the process. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { processImage, processImages, thread } from "../../../tests/support/process-images.ts";
import { holds } from "../../../tests/support/property.ts";
import { execOk } from "../../common/exec.ts";
import { DataPool } from "./data-pool.ts";
import { emitTables } from "./emit.ts";
import { findHole } from "./emit-memory.ts";
import { emitThreads, frameBytes, scratchBytes } from "./emit-threads.ts";
import { RESTORE_LIMITS } from "./generated/tables.ts";
import type { PageRun, ProcessImage } from "./process.ts";
import { Refusal } from "./refusal.ts";

const HERE = new URL("../../../", import.meta.url).pathname;
const locate = ({ offset, pages }: PageRun) => [{ pack: 0, offset, pages }];

/** A filter that answers one call number with EPERM. */
function forbid(nr: number): Uint8Array {
  const bytes = new Uint8Array(32);
  const view = new DataView(bytes.buffer);
  const put = (at: number, code: number, jt: number, jf: number, k: number) => {
    view.setUint16(at * 8, code, true);
    view.setUint8(at * 8 + 2, jt);
    view.setUint8(at * 8 + 3, jf);
    view.setUint32(at * 8 + 4, k, true);
  };
  put(0, 0x20, 0, 0, 0);
  put(1, 0x15, 0, 1, nr);
  put(2, 0x06, 0, 0, 0x00050001);
  put(3, 0x06, 0, 0, 0x7fff0000);
  return bytes;
}

describe("emitted tables", () => {
  let directory: string;
  let checker: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
    checker = join(directory, "check-tables");
    await execOk(["gcc", "-O1", "-I", `${HERE}native/launcher`, "-o", checker, `${HERE}tests/support/check-tables.c`]);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  /** What the launcher says against tables; empty: nothing. */
  const objection = (tables: Uint8Array) => Bun.spawnSync([checker, "1"], { stdin: tables }).stdout.toString();

  test("pass the launcher's check, whatever the process has", () => {
    holds(
      fc.property(processImages, (process) => {
        const tables = emitTables(process, { locate });
        expect(objection(tables)).toBe("");
      }),
      150,
    );
  });

  test("that are damaged do not (the check is the launcher's)", () => {
    const tables = emitTables(processImage(), { locate });
    expect(objection(tables)).toBe("");
    expect(objection(tables.subarray(0, -8))).toBe("tables: not those of this restorer\n");
  });

  test("leave a hole that no mapping touches", () => {
    holds(
      fc.property(processImages, fc.bigInt(1n, 1n << 28n), ({ vmas }, pages) => {
        const bytes = pages * 4096n;
        const hole = holeOf(vmas, bytes);
        if (hole === undefined) return;
        expect(hole % 4096n).toBe(0n);
        for (const { start, end } of vmas) expect(end <= hole || start >= hole + bytes).toBe(true);
      }),
      500,
    );
  });

  test("say where there is no room for a hole", () => {
    const all = { start: 0x1000_0000_0000n, end: 0x6000_0000_0000n, prot: 0, advice: [], noReserve: true };
    expect(() => findHole([{ ...all, kind: { is: "anonymous", growsDown: false } }], 4096n)).toThrow(Refusal);
  });

  test("hold frames apart, each above a stack of its own, with the registers where the kernel reads them", () => {
    holds(
      fc.property(processImages, ({ threads }) => {
        const scratch = 0x2000_0000_8000n;
        const records = emitThreads(threads, scratch, new DataPool());
        let end = scratch + BigInt(RESTORE_LIMITS.LEADER_BYTES);
        for (const { frameAt, frameBytes: length } of records) {
          expect(frameAt).toBeGreaterThanOrEqual(end + BigInt(RESTORE_LIMITS.THREAD_STACK));
          expect(frameAt % 64n).toBe(0n);
          end = frameAt + BigInt(length);
        }
        expect(end).toBeLessThanOrEqual(scratch + scratchBytes(threads));
      }),
      200,
    );
    const data = new DataPool();
    const [record] = emitThreads([thread(2)], 0x2000_0000_8000n, data);
    const frame = new DataView(data.finish().slice(record?.frame ?? 0).buffer);
    // struct rt_sigframe: return address, ucontext (flags, link, stack of 24 bytes), sigcontext: r8 ... sp, ip.
    expect(frame.getBigUint64(48 + 15 * 8, true)).toBe(0x7ffe_0001_0000n);
    expect(frame.getBigUint64(48 + 16 * 8, true)).toBe(0x401000n);
    expect(frame.getBigUint64(232, true)).toBe((record?.frameAt ?? 0n) + 448n);
    expect(record?.frameBytes).toBe(frameBytes(thread(2)));
  });

  test("are not made where a filter forbids what a restore needs", () => {
    const calls = { close: 3, munmap: 11, rt_sigreturn: 15, sendto: 44, prctl: 157, futex: 202 };
    for (const [name, nr] of Object.entries(calls)) {
      const process = processImage({ seccomp: [{ program: forbid(nr), flags: 0 }] });
      expect(() => emitTables(process, { locate })).toThrow(`the filter forbids ${name}`);
    }
    const fine = { program: forbid(9999), flags: 0 };
    const noCapset = { program: forbid(126), flags: 0 };
    const noSeccomp = { program: forbid(317), flags: 0 };
    const { credentials } = processImage();
    const privileged = { credentials: { ...credentials, noNewPrivs: false } };
    const made = (changes: Partial<ProcessImage>) => objection(emitTables(processImage(changes), { locate }));
    expect(made({ seccomp: [fine, noCapset] })).toBe("");
    expect(() => made({ seccomp: [noCapset], ...privileged })).toThrow("the filter forbids capset");
    // Nobody needs it after the last filter.
    expect(made({ seccomp: [fine, noSeccomp] })).toBe("");
    expect(() => made({ seccomp: [noSeccomp, fine] })).toThrow("the filter forbids seccomp");
  });

  test("are not made of a process in another's session", () => {
    expect(() => emitTables(processImage({ sid: 1 }), { locate })).toThrow(Refusal);
    expect(() => emitTables(processImage({ pgid: 7 }), { locate })).toThrow(Refusal);
  });
});

function holeOf(vmas: ProcessImage["vmas"], bytes: bigint): bigint | undefined {
  try {
    return findHole(vmas, bytes);
  } catch {
    return undefined;
  }
}
