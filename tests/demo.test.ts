/** `thaw bench demo` on a service that is made in a moment: what `make demo` does with a larger one. */
import { expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reportSchema } from "../src/bench/schema.ts";
import { exec } from "../src/common/exec.ts";
import { findCriu, freePort } from "./support/machine.ts";
import { makePerlRoot } from "./support/perl-root.ts";

const THAW = new URL("../dist/thaw", import.meta.url).pathname;
const criu = await findCriu();

test.skipIf(typeof criu === "string")(
  `a service is built, started cold, put to sleep and woken${typeof criu === "string" ? ` (${criu})` : ""}`,
  async () => {
    const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
    try {
      mkdirSync(join(directory, "root"));
      await makePerlRoot(join(directory, "root"));
      writeFileSync(join(directory, "Dockerfile"), `FROM scratch\nCOPY root /\nCMD ["/usr/bin/perl", "/server.pl"]\n`);
      const thaw = `x-thaw: { checkpoint: { when: ready, warmup: ["/count"] } }`;
      const service = `    build: .\n    ports: ["127.0.0.1:${await freePort()}:8000"]\n    ${thaw}\n`;
      writeFileSync(join(directory, "compose.yaml"), `services:\n  web:\n${service}`);
      const ran = await exec([THAW, "bench", "demo", "--starts", "2", "--wakes", "3", "--json", directory]);
      expect(ran.exitCode, ran.stderr).toBe(0);
      const report = reportSchema.parse(JSON.parse(ran.stdout));
      expect(report.rows.map(({ name, n }) => [name, n])).toEqual([
        ["cold-start", 2],
        ["wake-up", 3],
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
);
