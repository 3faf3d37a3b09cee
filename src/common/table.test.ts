import { expect, test } from "bun:test";
import { entryOf } from "./table.ts";

test("a table has what was put into it, and not what every object has", () => {
  const table = { a: 1, undefined: 2 };
  expect(["a", "b", "constructor", "__proto__", "toString", "undefined"].map((name) => entryOf(table, name))).toEqual([
    1,
    undefined,
    undefined,
    undefined,
    undefined,
    2,
  ]);
});
