import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { execOk } from "../../common/exec.ts";
import { type TestBed, testBed } from "../build/testing.ts";
import { MergedView } from "../merged.ts";
import { encodeHeader, paxRecord, type TarHeader } from "../tar/header.ts";
import { readTar } from "../tar/reader.ts";
import { LayerStore } from "./store.ts";

type Entry = Partial<Omit<TarHeader, "name">> & { name: string; body?: string };

/** A tar of entries written raw, so that hostile ones are possible. */
function tar(...entries: Entry[]): Uint8Array {
  const blocks = entries.flatMap(({ body = "", ...entry }) => {
    const defaults = {
      type: "file",
      mode: 0o644,
      uid: 0,
      gid: 0,
      mtime: "1",
      linkname: "",
      major: 0,
      minor: 0,
    } as const;
    const header = encodeHeader({ ...defaults, xattrs: new Map(), size: body.length, ...entry });
    return [header, Buffer.from(body), new Uint8Array((512 - (body.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, new Uint8Array(1024)]);
}

/** A PAX header in front of an entry, of any records. */
function pax(...records: [string, string][]): Uint8Array {
  const body = Buffer.from(records.map(([key, value]) => paxRecord(key, value)).join(""), "latin1");
  const header = Buffer.from(tar({ name: "PaxHeader", body: body.toString("latin1") }).subarray(0, 512));
  header[156] = "x".charCodeAt(0);
  header.fill(" ", 148, 156);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return Buffer.concat([header, body, new Uint8Array((512 - (body.length % 512)) % 512)]);
}

async function unpack(bed: TestBed, archive: Uint8Array): Promise<string> {
  const { digest } = await bed.content.put(archive);
  return bed.layers.path((await bed.layers.unpack(digest)).diffId);
}

const hostile: [string, Uint8Array][] = [
  ["..", tar({ name: "a/../../x", body: "x" })],
  [".. in a PAX name", Buffer.concat([pax(["path", "../x"]), tar({ name: "fine", body: "x" })])],
  ["a file below a link", tar({ name: "l", type: "symlink", linkname: "/etc" }, { name: "l/x", body: "x" })],
  ["a file below a file", tar({ name: "f", body: "x" }, { name: "f/x", body: "x" })],
  [
    "a directory that replaces a link",
    tar({ name: "l", type: "symlink", linkname: "/" }, { name: "l", type: "directory" }),
  ],
  ["a whiteout below a link", tar({ name: "l", type: "symlink", linkname: "/etc" }, { name: "l/.wh.passwd" })],
  ["a hard link out of the layer", tar({ name: "h", type: "hardlink", linkname: "/etc/shadow" })],
  ["a hard link with ..", tar({ name: "h", type: "hardlink", linkname: "../../etc/shadow" })],
  ["a hard link to a directory", tar({ name: "d", type: "directory" }, { name: "h", type: "hardlink", linkname: "d" })],
  [
    "a hard link by PAX",
    Buffer.concat([pax(["linkpath", "/etc/shadow"]), tar({ name: "h", type: "hardlink", linkname: "h" })]),
  ],
  ["a whiteout of ..", tar({ name: "d/.wh..", body: "" })],
  ["an opaque root", tar({ name: ".wh..wh..opq" })],
  ["a NUL in a PAX name", Buffer.concat([pax(["path", "a\0b"]), tar({ name: "x" })])],
  ["too long a name", Buffer.concat([pax(["path", "a/".repeat(2100)]), tar({ name: "x" })])],
  ["too long a part", Buffer.concat([pax(["path", "a".repeat(256)]), tar({ name: "x" })])],
  ["a sparse file", Buffer.concat([pax(["GNU.sparse.major", "1"]), tar({ name: "x" })])],
  ["a malformed PAX record", Buffer.concat([pax(["size", "-1"]), tar({ name: "x" })])],
  ["a truncated body", tar({ name: "x", body: "y".repeat(2000) }).subarray(0, 1024)],
  ["noise", Buffer.from("not a tar archive at all".repeat(100))],
  ["damaged gzip", Buffer.concat([gzipSync(tar({ name: "x", body: "x".repeat(9000) })).subarray(0, 60)])],
];

test.each(hostile)("an archive with %s is refused and nothing is left", async (_, archive) => {
  await using bed = await testBed();
  await expect(unpack(bed, archive)).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
  expect(await bed.layers.list()).toEqual([]);
  expect(await readdir(bed.paths.tmp)).toEqual([]);
});

test("bombs are refused by their size and by their number of entries", async () => {
  await using bed = await testBed();
  const { digest } = await bed.content.put(gzipSync(tar({ name: "zeros", body: "\0".repeat(3_000_000) })));
  const small = new LayerStore(bed.content, bed.paths, { maxEntries: 10, maxExpandedBytes: 1_000_000 });
  await expect(small.unpack(digest)).rejects.toThrow("expands to more than 1000000 bytes");
  const many = await bed.content.put(tar(...Array.from({ length: 11 }, (_, i) => ({ name: `f${i}` }))));
  await expect(small.unpack(many.digest)).rejects.toThrow("more than 10 entries");
  expect(await readdir(bed.paths.tmp)).toEqual([]);
});

test("absolute names, device nodes, forged overlay attributes and duplicates are made harmless", async () => {
  await using bed = await testBed();
  const forged = new Map([
    ["trusted.overlay.redirect", "/etc"],
    ["user.overlay.opaque", "y"],
    ["user.kept", "\0\xff"],
  ]);
  const archive = tar(
    { name: "/abs/file", body: "absolute" },
    { name: "dev/sda", type: "block", major: 8 },
    { name: "dev/null", type: "char", major: 1, minor: 3 },
    { name: "dev/whiteout", type: "char" },
    { name: "forged", type: "directory", xattrs: forged, mode: 0o755 },
    { name: "twice", body: "first" },
    { name: "twice", type: "symlink", linkname: "/nowhere" },
    { name: "twice", body: "last" },
  );
  const root = await unpack(bed, gzipSync(archive));
  expect(await readFile(join(root, "abs/file"), "utf8")).toBe("absolute");
  expect(existsSync(join(root, "dev"))).toBe(false);
  expect(await readFile(join(root, "twice"), "utf8")).toBe("last");
  const dump = await xattrsByName(root);
  expect(dump.get("./forged/")).toEqual(new Map([["user.kept", "\0\xff"]]));
});

test("tar-stream's archives are read; a whiteout beside its replacement makes it opaque", async () => {
  await using bed = await testBed();
  const archive = pack();
  archive.entry({ name: "./gone/.wh.file" }, "");
  archive.entry({ name: "./replaced", type: "directory" });
  archive.entry({ name: "./.wh.replaced" }, "");
  archive.entry({ name: "./rewritten" }, "new");
  archive.entry({ name: "./.wh.rewritten" }, "");
  archive.entry({ name: "./hidden/.wh..wh..opq" }, "");
  archive.entry({ name: `./${"long/".repeat(40)}name-ü` }, "x");
  archive.finalize();
  const root = await unpack(bed, await buffer(archive));
  const gone = await lstat(join(root, "gone/file"));
  expect([gone.isCharacterDevice(), gone.rdev]).toEqual([true, 0]);
  expect(await readFile(join(root, "rewritten"), "utf8")).toBe("new");
  expect(await readFile(join(root, "long/".repeat(40), "name-ü"), "utf8")).toBe("x");
  const dump = await xattrsByName(root);
  expect(dump.get("./replaced/")?.get("trusted.overlay.opaque")).toBe("y");
  expect(dump.get("./hidden/")?.get("trusted.overlay.opaque")).toBe("y");
});

test("an upper directory becomes a layer that unpacks to the same tree", async () => {
  await using bed = await testBed();
  const lower = join(bed.root, "lower");
  await mkdir(join(lower, "opaque"), { recursive: true });
  await writeFile(join(lower, "removed"), "x");
  await writeFile(join(lower, "opaque/old"), "x");
  const upper = await bed.layers.temporary();
  const work = await bed.layers.temporary();
  const merged = await bed.layers.temporary();
  const script = `set -e
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2,workdir=$3,redirect_dir=off,metacopy=off" "$4"; cd "$4"
    rm removed; rm -r opaque; mkdir opaque; echo new > opaque/new
    mkdir -m 1777 dir; echo content > dir/file; ln dir/file dir/hard; ln -s /etc/passwd dir/link; mkfifo dir/fifo
    cp /bin/true setuid; chown 12:34 setuid; chmod 4711 setuid; echo > none; chmod 0 none
    chown 3000000:3000000 none; touch -d @1234567890.123456789 dir/file
    printf x > "$(printf 'latin\\351')"
    if command -v setcap > /dev/null; then cp /bin/true capable; setcap cap_net_raw+ep capable; fi`;
  await execOk(["unshare", "-m", "sh", "-c", script, "sh", lower, upper, work, merged]);
  const before = await describe(upper);
  const layer = await bed.layers.commit(upper);
  const moved = bed.layers.path(layer.diffId);
  expect(await describe(moved)).toEqual(before);

  await bed.layers.remove(layer.diffId);
  expect(await bed.layers.has(layer.diffId)).toBe(false);
  const again = await bed.layers.unpack(layer.blob, layer.diffId);
  expect(again).toEqual(layer);
  expect(await describe(moved)).toEqual(before);
  expect((await stat(join(moved, "none"))).mode & 0o7777).toBe(0);
  expect((await stat(join(moved, "dir/hard"))).ino).toBe((await stat(join(moved, "dir/file"))).ino);
  expect(await readlink(join(moved, "dir/link"))).toBe("/etc/passwd");

  const view = new MergedView([moved, lower]);
  expect(await view.lookup("removed")).toBeUndefined();
  expect(await view.lookup("opaque/old")).toBeUndefined();
  expect(await view.lookup("opaque/new")).toBeDefined();
});

test("a layer of another diff id than expected is refused", async () => {
  await using bed = await testBed();
  const { digest } = await bed.content.put(gzipSync(tar({ name: "x" })));
  await expect(bed.layers.unpack(digest, digest)).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
  expect(await bed.layers.list()).toEqual([]);
});

test("a full disk stops an unpack without a trace; sweep removes what a crash leaves", async () => {
  await using bed = await testBed();
  await execOk(["mount", "-t", "tmpfs", "-o", "size=2m", "thaw-test", bed.paths.data]);
  try {
    const { digest } = await bed.content.put(gzipSync(tar({ name: "x", body: "x".repeat(4_000_000) })));
    await expect(bed.layers.unpack(digest)).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(await readdir(bed.paths.tmp)).toEqual([]);
    expect(await bed.layers.list()).toEqual([]);
    await writeFile(join(await bed.layers.temporary(), "half"), "x");
    await mkdir(join(bed.paths.tmp, "another's"));
    await bed.layers.sweep();
    expect(await readdir(bed.paths.tmp)).toEqual(["another's"]);
  } finally {
    await execOk(["umount", bed.paths.data]);
  }
});

test("the merged view keeps links inside the root", async () => {
  await using bed = await testBed();
  const [top, bottom] = [join(bed.root, "top"), join(bed.root, "bottom")];
  await mkdir(join(bottom, "usr/bin"), { recursive: true });
  await mkdir(join(top, "etc"), { recursive: true });
  await symlink("usr/bin", join(bottom, "bin"));
  await symlink("../../../../etc", join(top, "up"));
  await symlink("/etc/shadow", join(top, "absolute"));
  await symlink("loop", join(top, "loop"));
  await writeFile(join(top, "file"), "");
  const view = new MergedView([top, bottom]);
  expect((await view.resolve("/bin/tool")).path).toBe("usr/bin");
  expect((await view.resolve("/up")).found.hostPath).toBe(join(top, "etc"));
  expect(await view.resolve("absolute")).toMatchObject({ path: "etc", missing: ["shadow"] });
  await expect(view.resolve("loop")).rejects.toThrow("too many symbolic links");
  await expect(view.resolve("file/x")).rejects.toThrow("is not a directory");
  await expect(view.resolve("none/../x")).rejects.toThrow("does not exist");
});

async function xattrsByName(root: string): Promise<Map<string, ReadonlyMap<string, string>>> {
  const found = new Map<string, ReadonlyMap<string, string>>();
  for (const header of await headersOf(root)) found.set(header.name, header.xattrs);
  return found;
}

/** Everything about a tree but directory times, which unpacking siblings may touch; xattrs of overlayfs's own left out. */
async function describe(root: string): Promise<unknown[]> {
  const own = /^trusted\.overlay\.(?:origin|impure|nlink|uuid)$/;
  return (await headersOf(root)).map((header) => ({
    ...header,
    mtime: header.type === "directory" || header.type === "char" ? "" : header.mtime,
    ...(header.type === "char" ? { mode: 0 } : {}),
    xattrs: [...header.xattrs].filter(([name]) => !own.test(name)).sort(),
  }));
}

async function headersOf(root: string): Promise<TarHeader[]> {
  const argv = ["tar", "-c", "--format=posix", "--sort=name", "--xattrs", "--xattrs-include=*", "-C", root, "."];
  const headers: TarHeader[] = [];
  for await (const { header } of readTar(Bun.spawn(argv).stdout)) headers.push(header);
  return headers;
}
