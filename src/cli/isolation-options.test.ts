import { expect, test } from "bun:test";
import { deviceOption, pairOption, securityOptions, tmpfsOption, ulimitOption } from "./isolation-options.ts";

test.each([
  ["/dev/fuse", ["/dev/fuse", "/dev/fuse", "rwm"]],
  ["/dev/a:/dev/b", ["/dev/a", "/dev/b", "rwm"]],
  ["/dev/a:r", ["/dev/a", "/dev/a", "r"]],
  ["/dev/a:/dev/b:rm", ["/dev/a", "/dev/b", "rm"]],
])("--device %s", (text, parts) => {
  const { PathOnHost, PathInContainer, CgroupPermissions } = deviceOption(text);
  expect([PathOnHost, PathInContainer, CgroupPermissions]).toEqual(parts);
});

test.each(["fuse", "/dev/a:b", "/dev/a:/b:x", "/dev/a:/b:rw:m", ""])("--device %j is refused", (text) => {
  expect(() => deviceOption(text)).toThrow("--device: expected");
});

test("--ulimit", () => {
  expect(ulimitOption("nofile=5")).toEqual({ Name: "nofile", Soft: 5, Hard: 5 });
  expect(ulimitOption("core=0:unlimited")).toEqual({ Name: "core", Soft: 0, Hard: -1 });
  for (const text of ["nofile", "nofile=", "nofile=x", "nofile=1:2:3", "=1"])
    expect(() => ulimitOption(text)).toThrow();
});

test("--sysctl and --tmpfs", () => {
  expect(pairOption("--sysctl", "a.b=c=d")).toEqual(["a.b", "c=d"]);
  expect(() => pairOption("--sysctl", "=x")).toThrow("--sysctl: expected NAME=VALUE");
  expect([tmpfsOption("/a"), tmpfsOption("/a:size=1,ro")]).toEqual([
    ["/a", ""],
    ["/a", "size=1,ro"],
  ]);
});

test("--security-opt", () => {
  expect(securityOptions(["no-new-privileges"])).toEqual({ SecurityOpt: ["no-new-privileges"] });
  expect(securityOptions(["systempaths=unconfined", "seccomp=unconfined"])).toEqual({
    SecurityOpt: ["seccomp=unconfined"],
    MaskedPaths: [],
    ReadonlyPaths: [],
  });
  expect(() => securityOptions(["seccomp=/no/such"])).toThrow("cannot read /no/such");
});
