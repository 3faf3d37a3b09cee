import { expect, test } from "bun:test";
import { decideTiers, type Sleeper } from "./tiers.ts";

const sleeper = (id: string, usedAt: number, changes: Partial<Sleeper> = {}): Sleeper => {
  return { id, wish: "auto", usedAt, templateBytes: 100, parkedBytes: 10, ...changes };
};
const decided = (budget: number, ...sleepers: Sleeper[]) => Object.fromEntries(decideTiers(sleepers, budget));

test("all are parked where all fits, and on disk where nothing does", () => {
  expect(decided(220, sleeper("a", 1), sleeper("b", 2))).toEqual({ a: "parked", b: "parked" });
  expect(decided(99, sleeper("a", 1), sleeper("b", 2))).toEqual({ a: "disk", b: "disk" });
});

test("who was used last is served first, and templates come before parked processes", () => {
  expect(decided(100, sleeper("a", 1), sleeper("b", 2))).toEqual({ a: "disk", b: "template" });
  expect(decided(210, sleeper("a", 1), sleeper("b", 2))).toEqual({ a: "template", b: "parked" });
});

test("one that does not fit leaves its room to smaller ones", () => {
  expect(decided(120, sleeper("big", 2, { templateBytes: 500 }), sleeper("small", 1))).toEqual({
    big: "disk",
    small: "parked",
  });
});

test("a wish is granted and counts", () => {
  const wished = sleeper("a", 0, { wish: "template" });
  expect(decided(150, wished, sleeper("b", 9))).toEqual({ a: "template", b: "disk" });
  expect(decided(0, sleeper("a", 0, { wish: "parked" }))).toEqual({ a: "parked" });
  expect(decided(999, sleeper("a", 0, { wish: "disk" }))).toEqual({ a: "disk" });
});
