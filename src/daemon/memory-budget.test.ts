import { expect, test } from "bun:test";
import { totalmem } from "node:os";
import { memoryBudget } from "./memory-budget.ts";

test("the budget is a quarter of the machine, or what is said in bytes", () => {
  expect(memoryBudget(undefined)).toBe(Math.floor(totalmem() / 4));
  expect(memoryBudget("")).toBe(memoryBudget(undefined));
  expect(memoryBudget("0")).toBe(0);
  expect(memoryBudget("4294967296")).toBe(2 ** 32);
});

test.each(["4G", "-1", "1.5", "much"])("%s is refused with what was expected", (wish) => {
  expect(() => memoryBudget(wish)).toThrow("expected a number of bytes");
});
