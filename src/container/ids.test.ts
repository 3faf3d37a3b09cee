import { expect, test } from "bun:test";
import type { IdRange } from "../sandbox/index.ts";
import { chooseIds, IDS_EACH } from "./ids.ts";

const HOST = "         0          0 4294967295\n";
const sources = (given = "") => ({ given: [given, given], own: [HOST, HOST] });

test("ranges do not overlap, and one that is free again is the next", () => {
  const taken: IdRange[] = [];
  for (let n = 0; n < 20; n++) taken.push(chooseIds(taken, "/var/lib/thaw", sources()));
  expect(new Set(taken.map(({ first }) => first)).size).toBe(20);
  for (const { first, count } of taken) {
    expect(first % IDS_EACH).toBe(0);
    expect(count).toBe(IDS_EACH);
    expect(first).toBeGreaterThanOrEqual(2 ** 20);
    expect(first + count).toBeLessThanOrEqual(2 ** 31);
  }
  expect([chooseIds(taken.toSpliced(7, 1), "/var/lib/thaw", sources())]).toEqual(taken.slice(7, 8));
});

test("daemons with other directories begin elsewhere", () => {
  const first = (directory: string) => chooseIds([], directory, sources()).first;
  expect(first("/a")).not.toBe(first("/b"));
  expect(first("/a")).toBe(first("/a"));
});

test("what others were given is left to them", () => {
  const { first } = chooseIds([], "/a", sources());
  const given = `alice:${first - 1}:2\n`;
  expect(chooseIds([], "/a", sources(given)).first).toBe(first + IDS_EACH);
});

test("the administrator's own area is used, and no more than that", () => {
  const given = sources(`alice:100000:65536\n# a remark\nthaw:500000:${2 * IDS_EACH + 5}\n`);
  const one = chooseIds([], "/a", given);
  const two = chooseIds([one], "/a", given);
  expect([one.first, two.first]).toEqual([500_000, 500_000 + IDS_EACH]);
  expect(() => chooseIds([one, two], "/a", given)).toThrow("no 65536 ids are left");
});

test("ids that the machine does not have are not used", () => {
  const own = ["0 100000 65536\n", HOST];
  expect(() => chooseIds([], "/a", { given: [], own })).toThrow("no 65536 ids are left");
});
