import { expect, test } from "bun:test";
import type { FailedMessage } from "../launcher/generated/protocol.ts";
import { checkName, inventName } from "./names.ts";
import { exitCodeOf, exitedOutcome, startFailure } from "./outcome.ts";
import type { Container } from "./types.ts";

test.each([
  [0, 0],
  [3 << 8, 3],
  [255 << 8, 255],
  [9, 137],
  [15, 143],
  [11 | 0x80, 139],
])("wait status %d is exit code %d", (status, code) => {
  expect(exitCodeOf(status)).toBe(code);
});

test("an end with a kill for want of memory says so", () => {
  expect(exitedOutcome({ waitStatus: 9, oomKills: 2, atNs: 5_999_999n })).toEqual({
    exitCode: 137,
    oomKilled: true,
    error: "",
    finishedAt: 5,
  });
});

// Only these fields are looked at.
const container = { spec: { argv: ["foo"], env: ["PATH=/x:/y"] } } as unknown as Container;

function failure(code: number, errno: number, detail = "foo"): FailedMessage {
  return { kind: "failed", id: "a", op: 0, code, errno, exitStatus: 0, detail };
}

test.each([
  [failure(94, 2), 127, "START_FAILED", '"foo": no such program in the container (searched PATH=/x:/y)'],
  [failure(94, 13), 126, "START_FAILED", '"foo": cannot be run: EACCES (permission denied)'],
  [failure(94, 12), 125, "START_FAILED", '"foo": cannot be run: ENOMEM (not enough memory)'],
  [failure(89, 20, "/etc/passwd"), 126, "START_FAILED", "cannot work in /etc/passwd: ENOTDIR (not a directory)"],
  [failure(65, 2, "/layer"), 125, "START_FAILED", "root_overlay /layer: ENOENT (no such file or directory)"],
  [failure(5, 28, "/data/upper"), 125, "NO_SPACE", "no space left on the device: /data/upper"],
  [failure(7, 0, "a process ended too early"), 125, "START_FAILED", "spawn a process ended too early: exit status 0"],
] as const)("%j is told to the user", (event, exitCode, code, message) => {
  const told = startFailure(container, event);
  expect(told.exitCode).toBe(exitCode);
  expect(told.error).toMatchObject({ code, message });
});

test("names that are made up are names, and not taken ones", () => {
  const taken = new Set<string>();
  for (let count = 0; count < 500; count++) {
    const name = inventName((candidate) => taken.has(candidate));
    checkName(name);
    expect(taken.has(name)).toBe(false);
    taken.add(name);
  }
});

test.each(["", "-x", ".x", "a b", "a/b", "../x", "ä", "a".repeat(129)])("%j is no name", (name) => {
  expect(() => checkName(name)).toThrow("is not a container name");
});
