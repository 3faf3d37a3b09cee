import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { migrate, openDatabase } from "./database.ts";
import { ThawError } from "./errors.ts";

const made: string[] = [];

afterEach(() => {
  for (const directory of made.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function place(): string {
  const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  made.push(directory);
  return join(directory, "deeper", "thaw.db");
}

test("opens with WAL and foreign keys, making the directory", () => {
  const database = openDatabase(place());
  expect(database.query("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
  expect(database.query("PRAGMA foreign_keys").get()).toEqual({ foreign_keys: 1 });
  database.close();
});

test("runs each step once, also over a reopening", () => {
  const path = place();
  const first = openDatabase(path);
  migrate(first, "things", ["CREATE TABLE things (a TEXT)"]);
  first.run("INSERT INTO things VALUES ('x')");
  first.close();
  const second = openDatabase(path);
  const steps = ["CREATE TABLE things (a TEXT)", "ALTER TABLE things ADD COLUMN b INTEGER NOT NULL DEFAULT 7"];
  migrate(second, "things", steps);
  migrate(second, "things", steps);
  migrate(second, "others", ["CREATE TABLE others (c TEXT)"]);
  expect(second.query("SELECT * FROM things").all()).toEqual([{ a: "x", b: 7 }]);
  second.close();
});

test("a failing step leaves nothing half-made", () => {
  const database = openDatabase(":memory:");
  expect(() => migrate(database, "things", ["CREATE TABLE things (a TEXT)", "NONSENSE"])).toThrow(ThawError);
  expect(database.query("SELECT name FROM sqlite_master WHERE name = 'things'").all()).toEqual([]);
});

test("refuses tables of a newer version", () => {
  const database = openDatabase(":memory:");
  migrate(database, "things", ["CREATE TABLE things (a TEXT)", "ALTER TABLE things ADD COLUMN b TEXT"]);
  expect(() => migrate(database, "things", ["CREATE TABLE things (a TEXT)"])).toThrow("version 2, this thaw knows 1");
});
