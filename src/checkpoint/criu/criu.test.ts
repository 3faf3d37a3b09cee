/** The parts of finding CRIU, tried on the real thing where `thaw setup` has fetched one, and on impostors. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFile, chmod, copyFile, cp, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { exec } from "../../common/exec.ts";
import { type Paths, thawPaths } from "../../common/paths.ts";
import { installCriu } from "./install.ts";
import { makeKdat } from "./kdat.ts";
import { locateCriu, trySystemCriu } from "./locate.ts";
import { type CriuProgram, disarmLoader, startCommand } from "./program.ts";
import { selfTest } from "./selftest.ts";
import { readStamp } from "./stamp.ts";

const isRoot = process.getuid?.() === 0;
const installed = isRoot ? await locateCriu(thawPaths()) : undefined;
const hostLoader = /\/\S*ld-linux\S*/.exec((await exec(["ldd", "/bin/sh"])).stdout)?.[0] ?? "";

let root: string;
let paths: Paths;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "thaw-test-"));
  paths = thawPaths({ THAW_CACHE: join(root, "cache") });
});

afterEach(async () => rm(root, { recursive: true, force: true }));

/** A program that claims to be CRIU and does `script`. */
async function impostor(script: string): Promise<CriuProgram> {
  const [binaryDir, libraryDir] = [join(root, "bin"), join(root, "lib")];
  await mkdir(binaryDir);
  await mkdir(libraryDir);
  await writeFile(join(libraryDir, "ld-linux.so"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { version: "9.9", binaryDir, binaryName: "criu", libraryDir, loaderName: "ld-linux.so" };
}

/** Ends the process that it is to dump, and is content. */
const KILLER = `#!/bin/sh
while [ $# -gt 0 ]; do [ "$1" = -t ] && kill -9 "$2"; shift; done
exit 0
`;

/** A cache that holds a copy of the installed CRIU, and where it is. */
async function copyOfInstalled(): Promise<string> {
  const target = join(paths.cache, "criu/trixie-1.0-1");
  await mkdir(dirname(target), { recursive: true });
  await cp(dirname(installed?.binaryDir ?? ""), target, { recursive: true, preserveTimestamps: true });
  await rm(join(target, "verified.json"));
  await rm(join(target, "criu.kdat"));
  return target;
}

test.skipIf(!isRoot)("the loader's copy ignores a container's preload list", async () => {
  const loader = join(root, "loader");
  const start = async () => {
    const script = `mount -t tmpfs tmpfs /etc && echo /hostile.so > /etc/ld.so.preload && exec "$0" --library-path "$1" "$2"`;
    const libraries = dirname(/\/\S*\/libc\.so\.6/.exec((await exec(["ldd", "/bin/sh"])).stdout)?.[0] ?? "");
    return await exec(["unshare", "--mount", "sh", "-c", script, loader, libraries, "/bin/true"]);
  };
  await copyFile(hostLoader, loader);
  expect((await start()).stderr).toContain("/hostile.so");
  await writeFile(loader, disarmLoader(Buffer.from(await Bun.file(hostLoader).arrayBuffer())));
  await chmod(loader, 0o700);
  // The first shell still has the host's loader, which complains about the list; ours is what it execs.
  expect(await start()).toEqual({ exitCode: 0, stdout: "", stderr: "" });
});

test("something else than a glibc loader is refused", () => {
  expect(() => disarmLoader(Buffer.from("no loader"))).toThrow("/etc/ld.so.preload");
});

test.skipIf(!isRoot)("a system criu that cannot work is refused with the reason and leaves nothing", async () => {
  const verdict = await trySystemCriu(paths, "/bin/true");
  expect(verdict).toEqual({ refused: expect.stringContaining("expected a version") });
  expect(await readdir(join(paths.cache, "criu"))).toEqual([]);
  expect(await trySystemCriu(paths, null)).toBeUndefined();
});

test.skipIf(!isRoot || !Bun.which("cc"))(
  "a system criu is packed with the system's libraries and judged once",
  async () => {
    const source = `#include <stdio.h>\nint main(int n, char **v) { if (n == 2) puts("Version: 3.2"); return n == 2 ? 0 : 7; }`;
    await writeFile(join(root, "criu.c"), source);
    expect((await exec(["cc", "-o", join(root, "criu"), join(root, "criu.c")])).exitCode).toBe(0);
    const verdict = await trySystemCriu(paths, join(root, "criu"));
    expect(verdict).toEqual({ refused: "criu check failed: exit code 91" });
    const copy = join(paths.cache, "criu/system");
    expect(await readStamp(copy)).toMatchObject({ version: "3.2", refused: "criu check failed: exit code 91" });
    expect(await readdir(join(copy, "lib"))).toContain("libc.so.6");
    const tested = Bun.file(join(copy, "verified.json")).lastModified;
    expect(await trySystemCriu(paths, join(root, "criu"))).toEqual(verdict);
    expect(Bun.file(join(copy, "verified.json")).lastModified).toBe(tested);
    await appendFile(join(root, "criu"), "a new version");
    expect(await trySystemCriu(paths, join(root, "criu"))).toEqual(verdict);
    expect(Bun.file(join(copy, "verified.json")).lastModified).toBeGreaterThan(tested);
  },
);

test.skipIf(!isRoot)("criu check that fails, and one that leaves no cache, are refused", async () => {
  const program = await impostor(`echo "no vDSO" >&2; exit 1`);
  expect(await makeKdat(program, join(root, "kdat"))).toBe("criu check failed: no vDSO");
  await writeFile(join(program.libraryDir, program.loaderName), "#!/bin/sh\nexit 0\n");
  expect(await makeKdat(program, join(root, "kdat"))).toContain("criu.kdat");
  expect((await readdir(root)).sort()).toEqual(["bin", "lib"]);
});

test.skipIf(!isRoot)(
  "a dump that only claims to have worked is found out",
  async () => {
    await writeFile(join(root, "kdat"), "");
    const program = await impostor("exit 0");
    expect(await selfTest(program, join(root, "kdat"), root)).toBe("criu dump left the process running");
    await writeFile(join(program.libraryDir, program.loaderName), KILLER);
    expect(await selfTest(program, join(root, "kdat"), root)).toContain("after the restore");
    expect((await readdir(root)).sort()).toEqual(["bin", "kdat", "lib"]);
  },
  30_000,
);

test.skipIf(!isRoot)("nothing is found in an empty cache", async () => {
  if (Bun.which("criu", { PATH: "/usr/local/sbin:/usr/sbin" })) return;
  expect(await locateCriu(paths)).toBeUndefined();
});

test.skipIf(!installed)(
  "a CRIU in the cache is tested once, and again when it changes",
  async () => {
    const directory = await copyOfInstalled();
    const found = await locateCriu(paths);
    expect(found?.binaryDir).toBe(join(directory, "bin"));
    expect((await stat(found?.kdat ?? "")).mode & 0o777).toBe(0o600);
    const stamp = Bun.file(join(directory, "verified.json"));
    const tested = stamp.lastModified;
    expect(await locateCriu(paths)).toEqual(found);
    expect(stamp.lastModified).toBe(tested);

    await appendFile(join(directory, "bin/criu"), "x");
    expect(await locateCriu(paths)).toEqual(found);
    expect(Bun.file(join(directory, "verified.json")).lastModified).toBeGreaterThan(tested);

    await rm(join(directory, "lib/libc.so.6"));
    expect(await locateCriu(paths)).toBeUndefined();
  },
  30_000,
);

test.skipIf(!installed)(
  "a feature cache of another boot is made again",
  async () => {
    const directory = await copyOfInstalled();
    await locateCriu(paths);
    const stamp = await readStamp(directory);
    await writeFile(join(directory, "verified.json"), JSON.stringify({ ...stamp, bootId: "another" }));
    await writeFile(join(directory, "criu.kdat"), "stale");
    const found = await locateCriu(paths);
    expect(Bun.file(found?.kdat ?? "").size).toBeGreaterThan(100);
    expect(await readStamp(directory)).toEqual(stamp);
  },
  30_000,
);

test.skipIf(!installed)(
  "installing where there is one changes nothing and needs no network",
  async () => {
    await copyOfInstalled();
    const lines: string[] = [];
    const found = await installCriu(paths, (line) => lines.push(line));
    expect(lines).toEqual([]);
    expect((await exec([...startCommand(found), "--version"])).stdout).toContain(found.version);
  },
  30_000,
);

test.skipIf(process.env.THAW_TEST_NETWORK !== "1")(
  "a fresh machine fetches one that works (only with THAW_TEST_NETWORK=1: it downloads Debian packages)",
  async () => {
    const lines: string[] = [];
    const found = await installCriu(paths, (line) => lines.push(line));
    expect(found.source).toBe("cache");
    expect(lines.length).toBeGreaterThan(1);
    expect(await locateCriu(paths)).toEqual(found);
    expect((await readdir(join(paths.cache, "criu"))).filter((name) => name.startsWith("."))).toEqual([]);
  },
  300_000,
);
