import { expect, test } from "bun:test";
import { Locks } from "./locks.ts";

test("one name's work runs in order, also after a failure; other names do not wait", async () => {
  const locks = new Locks();
  const done: string[] = [];
  const work = (name: string, ms: number) => async () => {
    await Bun.sleep(ms);
    done.push(name);
    if (name === "first") throw new Error("no");
  };
  const first = locks.run("a", work("first", 30));
  const second = locks.run("a", work("second", 1));
  const other = locks.run("b", work("other", 1));
  await expect(first).rejects.toThrow("no");
  await Promise.all([second, other]);
  expect(done).toEqual(["other", "first", "second"]);
});
