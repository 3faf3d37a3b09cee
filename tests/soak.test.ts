/**
 * `thaw bench soak` in a short form: containers made and removed, kept alive, and daemon, launcher and keeper killed
 * meanwhile. The benchmark itself looks for what is left, and says it; no figure of time is judged.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportSchema } from "../src/bench/schema.ts";
import { outcome } from "./support/cli.ts";

const THAW = new URL("../dist/thaw", import.meta.url).pathname;
const SIZES = ["--count", "150", "--alive", "20", "--kills", "4", "--seed", "795880", "--no-settle"];

test("nothing is left of many containers, nor of killed daemons and launchers", async () => {
  const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  try {
    const env = { ...process.env, TMPDIR: directory };
    const child = Bun.spawn([THAW, "bench", "soak", ...SIZES, "--json"], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const { exitCode, stdout, stderr } = await outcome(child);
    expect({ exitCode, stderr: exitCode === 0 ? "" : stderr, stdout }).toMatchObject({ exitCode: 0 });
    const report = reportSchema.parse(JSON.parse(stdout));
    expect(report.extra?.left).toEqual([]);
    const parts = new Set(report.rows.map(({ params }) => params?.part));
    expect([...parts]).toEqual(["leaks", "alive", "kills"]);
    for (const { name, n } of report.rows) expect({ name, n }).toEqual({ name, n: expect.any(Number) });
    expect(readdirSync(directory)).toEqual([]);
  } finally {
    if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
  }
}, 120_000);
