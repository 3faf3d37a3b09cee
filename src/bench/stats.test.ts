import { expect, test } from "bun:test";
import { percentile, summarize } from "./stats.ts";

test("percentiles are nearest-rank", () => {
  const sorted = Array.from({ length: 200 }, (_, i) => i + 1);
  expect([percentile(sorted, 0.5), percentile(sorted, 0.99), percentile(sorted, 1)]).toEqual([100, 198, 200]);
  expect(percentile([7], 0.99)).toBe(7);
  expect(() => percentile([], 0.5)).toThrow(RangeError);
});

test("a summary does not depend on the order of the samples, and says when there are none", () => {
  expect(summarize("a", [3, 1, 2], "x")).toEqual({
    name: "a",
    n: 3,
    p50_ms: 2,
    p99_ms: 3,
    mean_ms: 2,
    min_ms: 1,
    max_ms: 3,
    pace: "x",
  });
  expect(summarize("b", [], "x", "not installed")).toMatchObject({ n: 0, note: "not installed" });
});
