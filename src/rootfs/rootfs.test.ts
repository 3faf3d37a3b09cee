import { expect, test } from "bun:test";
import { mkdir, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execOk } from "../common/exec.ts";
import { testBed } from "../image/build/testing.ts";
import { directoryRootfs, exportRootfs, initLayerDir } from "./index.ts";

test("the init layer is made once, with the right modes, also by many at a time", async () => {
  await using bed = await testBed();
  const made = await Promise.all(Array.from({ length: 8 }, () => initLayerDir(bed.paths)));
  expect(new Set(made).size).toBe(1);
  const [directory = ""] = made;
  const mode = async (name: string) => (await stat(join(directory, name))).mode & 0o7777;
  expect((await readdir(directory)).sort()).toEqual(["dev", "etc", "proc", "run", "sys", "tmp"]);
  expect([await mode("tmp"), await mode("proc"), await mode("etc/hosts")]).toEqual([0o1777, 0o555, 0o644]);
  expect(await readdir(bed.paths.tmp)).toEqual([]);
  await writeFile(join(directory, "run/added"), "");
  await initLayerDir(bed.paths);
  expect(await readdir(join(directory, "run"))).toEqual(["added"]);
});

test("an export is the merged tree, with owners, links and without what is hidden", async () => {
  await using bed = await testBed();
  // Characters that overlayfs and mount treat specially.
  const [top, bottom] = [join(bed.root, "top, with:odd\\name"), join(bed.root, "bottom")];
  await mkdir(top);
  await mkdir(join(bottom, "d"), { recursive: true });
  for (const name of ["d/kept", "d/gone", "changed"]) await writeFile(join(bottom, name), "bottom");
  await writeFile(join(top, "changed"), "top");
  await mkdir(join(top, "d"));
  await execOk(["mknod", join(top, "d/gone"), "c", "0", "0"]);
  await execOk(["chown", "12:34", join(top, "changed")]);
  await symlink("/etc/passwd", join(top, "link"));
  const target = join(bed.root, "export");
  await exportRootfs([top, bottom], target);
  expect((await readdir(target)).sort()).toEqual(["changed", "d", "link"]);
  expect(await readdir(join(target, "d"))).toEqual(["kept"]);
  expect(await readFile(join(target, "changed"), "utf8")).toBe("top");
  expect((await stat(join(target, "changed"))).uid).toBe(12);
  expect((await readdir(bed.root)).filter((name) => name.startsWith(".thaw"))).toEqual([]);
});

test("a bare directory is exported below the init layer, and alone by a plain copy", async () => {
  await using bed = await testBed();
  const root = join(bed.root, "root");
  await mkdir(join(root, "bin"), { recursive: true });
  const { lowers } = await directoryRootfs(root, bed.paths);
  await exportRootfs(lowers, join(bed.root, "a"));
  expect((await readdir(join(bed.root, "a"))).sort()).toEqual(["bin", "dev", "etc", "proc", "run", "sys", "tmp"]);
  await exportRootfs([root], join(bed.root, "b"));
  expect(await readdir(join(bed.root, "b"))).toEqual(["bin"]);
});

test("an export refuses what is not empty or not there, and undoes itself when it fails", async () => {
  await using bed = await testBed();
  const [root, target] = [join(bed.root, "root"), join(bed.root, "target")];
  await mkdir(root);
  await writeFile(join(root, "big"), new Uint8Array(2_000_000));
  await mkdir(target);
  await writeFile(join(target, "mine"), "");
  await expect(exportRootfs([root], target)).rejects.toMatchObject({ code: "INVALID" });
  expect(await readdir(target)).toEqual(["mine"]);
  await expect(exportRootfs([join(bed.root, "none")], target)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  await expect(exportRootfs([root], join(bed.root, "no/dir"))).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  await rm(join(target, "mine"));
  await execOk(["mount", "-t", "tmpfs", "-o", "size=1m", "thaw-test", target]);
  try {
    await expect(exportRootfs([root], join(target, "new"))).rejects.toMatchObject({ code: "NO_SPACE" });
    await expect(exportRootfs([root], target)).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(await readdir(target)).toEqual([]);
  } finally {
    await execOk(["umount", target]);
  }
});
