/**
 * A tiny root file system out of the host's own programs and the libraries that they load, for tests that start
 * containers. Where the host has a busybox that is linked statically, nothing else would be needed; few have.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

const PROGRAMS = ["sh", "cat", "sleep", "ls", "id", "stat", "tail", "head", "env", "tty", "stty", "pwd", "mknod", "dd"];
const DIRECTORIES = ["dev", "proc", "sys", "etc", "tmp", "root", "run"];

/** Fills `root`. The user `tester` is 1234:1235, in the group `extra` (77), too. */
export function makeTinyRoot(root: string): void {
  for (const name of DIRECTORIES) mkdirSync(join(root, name), { recursive: true });
  chmodSync(join(root, "tmp"), 0o1777);
  for (const name of PROGRAMS) copyProgram(root, name);
  writeFileSync(join(root, "etc/passwd"), "root:x:0:0::/root:/bin/sh\ntester:x:1234:1235::/home/tester:/bin/sh\n");
  writeFileSync(join(root, "etc/group"), "root:x:0:\ntester:x:1235:\nextra:x:77:tester\n");
  writeFileSync(join(root, "bin/not-executable"), "text\n", { mode: 0o644 });
  writeFileSync(join(root, "bin/no-interpreter"), "#!/bin/nothing\n", { mode: 0o755 });
  writeFileSync(join(root, "bin/not-a-program"), "\u007fELFnonsense\n", { mode: 0o755 });
}

function copyProgram(root: string, name: string): void {
  const found = Bun.which(name);
  if (!found) throw new Error(`the tests need ${name} on the host`);
  copyFile(realpathSync(found), join(root, "bin", name), 0o755);
  const libraries = Bun.spawnSync(["ldd", found])
    .stdout.toString()
    .matchAll(/(\/\S+) \(0x/g);
  for (const [, library] of libraries) if (library) copyFile(realpathSync(library), join(root, library), 0o755);
  const loader = "/lib64/ld-linux-x86-64.so.2";
  if (existsSync(loader) && !existsSync(join(root, loader))) symlinkSync(realpathSync(loader), join(root, loader));
}

function copyFile(from: string, to: string, mode: number): void {
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, to);
  chmodSync(to, mode);
}
