import { expect, test } from "bun:test";
import { mountsSchema, parseBind, volumesFromSchema } from "./mounts.ts";

test("binds and volumes", () => {
  expect(parseBind("/a:/b:ro")).toEqual({ source: "/a", target: "/b", readonly: true });
  expect(parseBind("/a:/b")?.readonly).toBe(false);
  expect(parseBind("/a:/b:z,rslave,ro")).toEqual({ source: "/a", target: "/b", readonly: true, propagation: "rslave" });
  expect(parseBind("data:/b:nocopy")).toEqual({
    source: "",
    target: "/b",
    readonly: false,
    volume: "data",
    noCopy: true,
  });
});

test.each(["./a:/b", "/a:b", "/a:/b:x", "/a", "", ":/b", "data:/b:rslave", "/a:/b:nocopy", "/a:/b:ro:rw", "-x:/b"])(
  "%j is no bind",
  (text) => expect(parseBind(text)).toBeUndefined(),
);

test("mounts as objects mean the same", () => {
  const Target = "/t";
  expect(
    mountsSchema.parse([
      { Type: "bind", Source: "/s", Target, ReadOnly: true, BindOptions: { Propagation: "shared" } },
      { Type: "volume", Target, VolumeOptions: { NoCopy: true, Labels: { a: "b" } } },
      { Type: "volume", Source: "data", Target },
      { Type: "tmpfs", Target, TmpfsOptions: { SizeBytes: 4096, Mode: 0o700 } },
    ]),
  ).toEqual({
    binds: [
      { source: "/s", target: Target, readonly: true, propagation: "shared" },
      { source: "", target: Target, readonly: false, volume: "", noCopy: true, volumeLabels: { a: "b" } },
      { source: "", target: Target, readonly: false, volume: "data" },
    ],
    tmpfs: [{ target: Target, flags: 14, options: "mode=700,size=4096" }],
  });
});

test.each([
  [{ Type: "npipe", Target: "/t" }],
  [{ Type: "bind", Source: "rel", Target: "/t" }],
  [{ Type: "bind", Source: "/s" }],
  [{ Type: "bind", Source: "/s", Target: "/t", BindOptions: { NonRecursive: true } }],
  [{ Type: "volume", Source: "../x", Target: "/t" }],
  [{ Type: "volume", Source: "x", Target: "/t", VolumeOptions: { DriverConfig: { Name: "nfs" } } }],
  [{ Type: "tmpfs", Source: "x", Target: "/t" }],
  [{ Type: "tmpfs", Target: "/t", Other: 1 }],
])("%j is refused", (mount) => expect(mountsSchema.safeParse([mount]).success).toBe(false));

test("volumes of others", () => {
  expect(volumesFromSchema.parse("web:ro")).toEqual({ container: "web", mode: "ro" });
  expect(["", "web:rx", "/web", "a:ro:rw"].map((text) => volumesFromSchema.safeParse(text).success)).toEqual(
    Array(4).fill(false),
  );
});
