import { expect, test } from "bun:test";
import { resolve } from "node:path";
import { mountOption, volumeOption } from "./mount-options.ts";

test("-v", () => {
  expect(volumeOption("./a:/b")).toEqual({ bind: `${resolve("a")}:/b` });
  expect(volumeOption("a/b:/b:ro")).toEqual({ bind: `${resolve("a/b")}:/b:ro` });
  expect(volumeOption("data:/b:ro")).toEqual({ bind: "data:/b:ro" });
  expect(volumeOption("/b")).toEqual({ target: "/b" });
  for (const text of ["", "data", "data:b", ":/b", "/a:/b:ro:rw"])
    expect(() => volumeOption(text)).toThrow("--volume: expected");
});

test("--mount", () => {
  expect(mountOption("type=bind,src=./a,dst=/b,ro,bind-propagation=rslave")).toEqual({
    Type: "bind",
    Source: resolve("a"),
    Target: "/b",
    ReadOnly: true,
    // As typed; the API judges it.
    BindOptions: { Propagation: "rslave" as "" },
  });
  expect(mountOption("source=data,target=/b,volume-nocopy,volume-label=a=b")).toEqual({
    Type: "volume",
    Source: "data",
    Target: "/b",
    ReadOnly: false,
    VolumeOptions: { NoCopy: true, Labels: { a: "b" } },
  });
  expect(mountOption("type=tmpfs,destination=/b,tmpfs-size=1m,tmpfs-mode=700")).toMatchObject({
    TmpfsOptions: { SizeBytes: 1_048_576, Mode: 0o700 },
  });
});

test.each([
  "type=bind,source=/a",
  "type=bond,target=/a",
  "type=tmpfs,source=x,target=/a",
  "type=tmpfs,target=/a,tmpfs-size=x",
  "type=tmpfs,target=/a,tmpfs-mode=9",
  "type=bind,source=/a,target=/b,readonly=maybe",
  "target=/a,colour=red",
])("--mount %s is refused", (text) => expect(() => mountOption(text)).toThrow("--mount: expected"));
