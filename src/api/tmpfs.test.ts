import { expect, test } from "bun:test";
import { parseTmpfs } from "./tmpfs.ts";

test.each([
  ["", { flags: 14, options: "mode=1777" }],
  ["size=64m,mode=755,exec,ro", { flags: 7, options: "mode=755,size=67108864" }],
  ["rw,suid,dev,exec,size=10%,uid=1,gid=2", { flags: 0, options: "mode=1777,size=10%,uid=1,gid=2" }],
])("%j is understood", (text, expected) => expect(parseTmpfs(text)).toEqual(expected));

test.each(["size=lots", "mode=9", "exec=1", "nonsense", "uid=-1", "size=1m,context=x", "size"])(
  "%j is refused",
  (text) => {
    expect(parseTmpfs(text)).toContain("expected options such as");
  },
);
