/** The reference pages say what the program says. */
import { expect, test } from "bun:test";
import { referencePages } from "./support/reference.ts";

test.each([...(await referencePages())])(
  "%s is fresh (bun tests/support/reference.ts writes it)",
  async (path, text) => {
    expect(await Bun.file(new URL(`../${path}`, import.meta.url)).text()).toBe(text);
  },
);
