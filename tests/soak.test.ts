/**
 * `thaw bench soak` in a short form: containers made and removed, kept alive, and daemon, launcher and keeper killed
 * meanwhile. The benchmark itself looks for what is left, and says it; no figure of time is judged.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { type Report, reportSchema } from "../src/bench/schema.ts";
import { outcome } from "./support/cli.ts";
import { findCriu } from "./support/machine.ts";

const ROOT = new URL("..", import.meta.url).pathname;
const THAW = new URL("../dist/thaw", import.meta.url).pathname;

const criu = await findCriu();
const why = typeof criu === "string" ? ` (${criu})` : "";

test("nothing is left of many containers, nor of killed daemons and launchers", async () => {
  const report = await soak(["--count", "150", "--alive", "20", "--kills", "4", "--seed", "795880", "--no-settle"]);
  const parts = new Set(report.rows.map(({ params }) => params?.part));
  expect([...parts]).toEqual(["leaks", "alive", "kills"]);
}, 120_000);

test.skipIf(typeof criu === "string")(
  `nor of many restores, some of them killed, and each answers right${why}`,
  async () => {
    const { extra } = await soak([...NOTHING_ELSE, "--restores", "40", "--seed", "7", "--no-settle"]);
    const { right, killed, wrong } = z.object(RESTORES).parse(extra?.restores);
    expect({ all: right + killed, wrong }).toEqual({ all: 40, wrong: [] });
    expect(killed).toBeGreaterThan(0);
  },
  120_000,
);

const NOTHING_ELSE = ["--count", "0", "--alive", "0", "--kills", "0", "--root", ROOT];
const RESTORES = { right: z.number(), killed: z.number(), wrong: z.array(z.string()) };

async function soak(options: readonly string[]): Promise<Report> {
  const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  try {
    const env = { ...process.env, TMPDIR: directory };
    const child = Bun.spawn([THAW, "bench", "soak", ...options, "--json"], {
      env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const { exitCode, stdout, stderr } = await outcome(child);
    expect({ exitCode, stderr: exitCode === 0 ? "" : stderr, stdout }).toMatchObject({ exitCode: 0 });
    const report = reportSchema.parse(JSON.parse(stdout));
    expect(report.extra?.left).toEqual([]);
    for (const { name, n } of report.rows) expect({ name, n }).toEqual({ name, n: expect.any(Number) });
    expect(readdirSync(directory)).toEqual([]);
    return report;
  } finally {
    if (existsSync(directory)) rmSync(directory, { recursive: true, force: true });
  }
}
