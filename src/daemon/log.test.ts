import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ThawError } from "../common/errors.ts";
import { lockRunDirectory } from "./lock.ts";
import { Log } from "./log.ts";

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("there are never more than two full files, and the newest line is in the first", () => {
  const path = join(directory, "daemon.log");
  const log = new Log(path, { maxBytes: 1000 });
  for (let i = 0; i < 100; i++) log.info(`line ${i}`);
  expect(statSync(path).size).toBeLessThanOrEqual(1000);
  expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(1000);
  expect(existsSync(`${path}.2`)).toBe(false);
  expect(readFileSync(path, "utf8")).toContain("line 99\n");
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("a log goes on where the last one ended", () => {
  const path = join(directory, "daemon.log");
  new Log(path, { maxBytes: 100 }).info("x".repeat(50));
  new Log(path, { maxBytes: 100 }).info("y".repeat(50));
  expect(readFileSync(`${path}.1`, "utf8")).toContain("xxx");
  expect(readFileSync(path, "utf8")).toContain("yyy");
});

test("an error is kept with its code and causes", () => {
  const path = join(directory, "daemon.log");
  new Log(path).error("it", new ThawError("INTERNAL", "broke", { cause: new Error("because") }));
  const text = readFileSync(path, "utf8");
  expect(text).toContain("error it: [INTERNAL]");
  expect(text).toContain("caused by Error: because");
});

test("a second daemon is refused until the first is gone, however that ended", async () => {
  const first = lockRunDirectory(directory);
  expect(() => lockRunDirectory(directory)).toThrow("runs already");
  first.release();
  const script = `const { lockRunDirectory } = await import(${JSON.stringify(join(import.meta.dir, "lock.ts"))});
    globalThis.lock = lockRunDirectory(${JSON.stringify(directory)}); console.log("locked"); await Bun.sleep(60_000);`;
  const other = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  await other.stdout.getReader().read();
  expect(() => lockRunDirectory(directory)).toThrow("runs already");
  other.kill("SIGKILL");
  await other.exited;
  lockRunDirectory(directory).release();
});
