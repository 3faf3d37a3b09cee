import { expect, test } from "bun:test";
import type { ReadImages } from "../images/index.ts";
import { type Confinement, excessiveRights } from "./rights.ts";

const FILTER = Uint8Array.of(6, 0, 0, 0, 0, 0, 255, 127);
const ALLOWED: Confinement = { capabilities: 0xffn, noNewPrivs: true, filter: FILTER };

interface Changes {
  readonly words?: readonly number[];
  readonly noNewPrivs?: number;
  readonly mode?: number;
  readonly program?: Uint8Array;
  readonly flags?: number;
  readonly other?: object;
}

/** A process with a second thread that shares its filters. */
function images({ words = [0xf, 0], noNewPrivs = 1, mode = 2, program = FILTER, flags = 1, other = {} }: Changes = {}) {
  const none = [0, 0];
  const rights = { effective: words, permitted: words, inheritable: none, bounding: words, ambient: none };
  const credentials = { ...rights, noNewPrivs };
  const threads = [
    [2, { thread: { credentials, seccompMode: mode, seccompFilter: 0 } }],
    [3, { thread: { credentials, seccompMode: 0, ...other } }],
  ];
  const found = { pstree: [{ pid: 2 }], core: new Map(threads as []), seccomp: [{ filters: [{ program, flags }] }] };
  // Only what is looked at.
  return { images: found, problems: [] } as unknown as ReadImages;
}

test("a process like its container asks for nothing", () => {
  expect(excessiveRights(images(), ALLOWED)).toEqual([]);
  expect(
    excessiveRights(images({ mode: 0, noNewPrivs: 0 }), { ...ALLOWED, filter: undefined, noNewPrivs: false }),
  ).toEqual([]);
});

test.each([
  ["a capability", { words: [0x100, 0] }, "capabilities"],
  ["a high capability", { words: [0, 1] }, "capabilities"],
  ["no no_new_privs", { noNewPrivs: 0 }, "no_new_privs"],
  ["no filter", { mode: 0 }, "system calls"],
  ["another filter", { program: Uint8Array.of(6, 0, 0, 0, 0, 0, 255, 126) }, "system calls"],
  ["a thread without", { flags: 0 }, "system calls"],
  ["a thread of other rights", { other: { credentials: undefined } }, "not said"],
] as const)("%s is told", (_, changes, words) => {
  expect(excessiveRights(images(changes), ALLOWED).join()).toContain(words);
});

test("what cannot be decoded is not trusted", () => {
  expect(excessiveRights({ ...images(), problems: ["core-2.img: cut off"] }, ALLOWED)).toEqual(["core-2.img: cut off"]);
});
