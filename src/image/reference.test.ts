import { expect, test } from "bun:test";
import { parseReference } from "./reference.ts";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

test.each([
  ["hello", "hello:latest"],
  ["hello:1.2_x-Y", "hello:1.2_x-Y"],
  ["thaw/python", "thaw/python:latest"],
  ["docker.io/library/debian:12", "debian:12"],
  ["index.docker.io/team/app", "team/app:latest"],
  ["registry.example:5000/a/b__c.d:t", "registry.example:5000/a/b__c.d:t"],
  ["localhost:5000/x", "localhost:5000/x:latest"],
  [`hello@${digest}`, `hello@${digest}`],
])("%s is %s", (text, normal) => {
  expect(parseReference(text).text).toBe(normal);
});

test.each(["", "Hello", "-x", "x-", "a//b", "a/", "/a", "a:", "a:.b", `a:${"t".repeat(129)}`, "a b", "a@sha256:12"])(
  "%p is refused with the grammar",
  (text) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: "INVALID" }));
    try {
      parseReference(text);
    } catch (error) {
      expect(error).toHaveProperty("hint", expect.stringContaining("NAME[:TAG]"));
    }
  },
);

test("64 hex digits are an id, never a name", () => {
  expect(() => parseReference("a".repeat(64))).toThrow("bad image name");
  expect(() => parseReference("../../etc/passwd")).toThrow("bad image name");
});
