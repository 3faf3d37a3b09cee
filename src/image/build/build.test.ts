import { expect, test } from "bun:test";
import { chmod, lstat, mkdir, readdir, readFile, stat, symlink, utimes, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { execOk } from "../../common/exec.ts";
import type { Image } from "../index.ts";
import { buildImage } from "./build.ts";
import { BuildContext } from "./context.ts";
import { defaultDockerfile } from "./default-dockerfile.ts";
import { parseDockerfile } from "./dockerfile.ts";
import { expandWord, splitWords } from "./shell-words.ts";
import { type TestBed, testBed } from "./testing.ts";

/** A base image of a few of the host's programs and their libraries: enough for RUN to be real. */
async function addBase(bed: TestBed): Promise<void> {
  const upper = await bed.layers.temporary();
  const programs = ["sh", "cat", "ls", "mkdir", "rm", "id", "stat", "ln", "sleep"];
  for (const program of programs) {
    const path = Bun.which(program) ?? `/bin/${program}`;
    await mkdir(join(upper, "usr/bin"), { recursive: true });
    await execOk(["cp", "-L", path, join(upper, "usr/bin", program)]);
    const libraries = (await execOk(["ldd", path])).matchAll(/(\/\S+) \(0x/g);
    for (const [, library = ""] of libraries) {
      await mkdir(join(upper, dirname(library)), { recursive: true });
      await execOk(["cp", "-L", library, join(upper, library)]);
    }
  }
  await symlink("usr/bin", join(upper, "bin"));
  for (const name of ["proc", "etc", "tmp", "old"]) await mkdir(join(upper, name));
  await chmod(join(upper, "tmp"), 0o1777);
  await writeFile(join(upper, "etc/resolv.conf"), "");
  await writeFile(join(upper, "old/file"), "from the base");
  await writeFile(join(upper, "etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1001::/home/app:/bin/sh\n");
  await writeFile(join(upper, "etc/group"), "root:x:0:\nstaff:x:50:app\n");
  const layer = await bed.layers.commit(upper);
  const rootfs = { type: "layers", diff_ids: [layer.diffId] } as const;
  const config = { architecture: "amd64", os: "linux", config: {}, history: [], created: "2026-01-01T00:00:00.000Z" };
  await bed.store.add({ ...config, rootfs: { ...rootfs, diff_ids: [...rootfs.diff_ids] } }, [layer], "base");
}

async function contextOf(bed: TestBed, files: Readonly<Record<string, string>>): Promise<string> {
  const context = join(bed.root, "context");
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(context, name)), { recursive: true });
    await writeFile(join(context, name), text);
  }
  return context;
}

async function build(bed: TestBed, files: Readonly<Record<string, string>>, more: object = {}) {
  const lines: string[] = [];
  const context = await contextOf(bed, files);
  const onProgress = (line: string) => lines.push(line);
  const image = await buildImage({ ...bed, runner: bed.runner, context, tag: "built", onProgress, ...more });
  return { image, lines, cached: lines.filter((line) => line === " ---> Using cache").length };
}

/** Where a path of the image lies on the host. */
function inImage(bed: TestBed, image: Image, path: string): string {
  const lower = bed.store.lowers(image).find((dir) => Bun.spawnSync(["test", "-e", join(dir, path)]).exitCode === 0);
  return join(lower ?? "/nowhere", path);
}

test("instructions make the config, and steps really run", async () => {
  await using bed = await testBed();
  await addBase(bed);
  const { image, lines } = await build(
    bed,
    {
      Dockerfile: `ARG base=base
FROM $base
ARG greeting=hi
ENV NAME="two words" GREET=\${greeting}-\${none:-default}
LABEL a=b c="d e"
WORKDIR /srv
WORKDIR app
COPY --chown=app:staff --chmod=750 data /srv/
USER app
RUN echo "$NAME $GREET" && id -u && cat /srv/inner/file && test -d /proc/1
USER 0
RUN ["rm", "-r", "/old"]
RUN true
EXPOSE 80 53/udp
VOLUME /data
STOPSIGNAL SIGINT
ENTRYPOINT ["/bin/cat"]
CMD file
`,
      "data/inner/file": "copied\n",
    },
    { buildArgs: { greeting: "hello" } },
  );
  expect(lines).toContain("two words hello-default");
  expect(lines).toContain("1000");
  expect(lines).toContain("copied");
  expect(image.config.config).toEqual({
    Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "NAME=two words", "GREET=hello-default"],
    Labels: { a: "b", c: "d e" },
    WorkingDir: "/srv/app",
    User: "0",
    ExposedPorts: { "80/tcp": {}, "53/udp": {} },
    Volumes: { "/data": {} },
    StopSignal: "SIGINT",
    Entrypoint: ["/bin/cat"],
    Cmd: ["/bin/sh", "-c", "file"],
  });
  const copied = await stat(inImage(bed, image, "srv/inner/file"));
  expect([copied.uid, copied.gid, copied.mode & 0o7777]).toEqual([1000, 50, 0o750]);
  const whiteout = await lstat(inImage(bed, image, "old"));
  expect([whiteout.isCharacterDevice(), whiteout.rdev]).toEqual([true, 0]);
  expect(await readdir(bed.paths.tmp)).toEqual([]);
});

test("a second build comes out of the cache as the very same image; changed content does not", async () => {
  await using bed = await testBed();
  await addBase(bed);
  const files = { Dockerfile: "FROM base\nRUN echo x > /made\nCOPY app.txt /\nRUN cat /app.txt\n", "app.txt": "1" };
  const first = await build(bed, files);
  await utimes(join(bed.root, "context/app.txt"), 1, 1);
  const second = await build(bed, files);
  expect([first.cached, second.cached]).toEqual([0, 3]);
  expect(second.image).toEqual(first.image);
  expect(bed.runner.runs).toBe(2);
  const third = await build(bed, { ...files, "app.txt": "2" });
  expect([third.cached, bed.runner.runs]).toEqual([1, 3]);
  await chmod(join(bed.root, "context/app.txt"), 0o755);
  expect((await build(bed, { ...files, "app.txt": "2" })).cached).toBe(1);
  expect((await build(bed, files, { noCache: true })).cached).toBe(0);
  expect(bed.store.list().map((image) => image.references)).toEqual([["built:latest"], ["base:latest"]]);
});

test("COPY goes through the image's links and never out of its root", async () => {
  await using bed = await testBed();
  await addBase(bed);
  const outside = join(bed.root, "outside");
  await mkdir(outside);
  const { image } = await build(bed, {
    Dockerfile: `FROM base
RUN ln -s ${outside} /escape && ln -s ../../../../../../../../..${outside} /dots && ln -s /etc /absolute
COPY tool /bin/
COPY tool /escape/
COPY tool /dots/inner/
COPY tool /absolute/renamed
COPY dir /merge/`,
    tool: "tool",
    "dir/bin/x": "",
  });
  expect(await readdir(outside)).toEqual([]);
  for (const path of ["usr/bin/tool", `${outside}/tool`, `${outside}/inner/tool`, "etc/renamed", "merge/bin/x"]) {
    expect(await Bun.file(inImage(bed, image, path)).exists()).toBe(true);
  }
  const [top] = bed.store.lowers(image);
  expect(await readdir(join(top ?? "", "merge"))).toEqual(["bin"]);
});

test(".dockerignore, globs and links of the context", async () => {
  await using bed = await testBed();
  const context = await contextOf(bed, {
    ".dockerignore": "*.log\nnode_modules\n!keep.log\n",
    "a.py": "",
    "b.py": "",
    "c.log": "",
    "keep.log": "",
    "node_modules/x/y": "",
    "sub/d.py": "",
  });
  await symlink("/etc/passwd", join(context, "passwd"));
  const opened = await BuildContext.open(context);
  const targets = async (...patterns: string[]) => (await opened.sources(patterns)).items.map((item) => item.target);
  expect(await targets(".")).toEqual(["", ".dockerignore", "a.py", "b.py", "keep.log", "passwd", "sub", "sub/d.py"]);
  expect(await targets("*.py")).toEqual(["a.py", "b.py"]);
  expect(await targets("*/[d].py")).toEqual(["d.py"]);
  await expect(targets("../x")).rejects.toThrow("outside the build context");
  await expect(targets("none*")).rejects.toThrow("is not in the build context");
  // A link to outside is looked up inside the context, where there is nothing of that name.
  await expect(targets("passwd")).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
});

test.each([
  ["FROM base\nFROM base", "UNSUPPORTED", "line 2: a second FROM"],
  ["FROM base\n\n# x\nHEALTHCHECK CMD x", "UNSUPPORTED", "line 4: HEALTHCHECK is not supported"],
  ["FROM base\nRUN <<EOF\nx\nEOF", "UNSUPPORTED", "line 2: here-documents"],
  ["FROM base\nRUN --mount=type=cache x", "UNSUPPORTED", "line 2: RUN --mount is not supported"],
  ["FROM base\nCOPY --from=x a b", "UNSUPPORTED", "line 2: COPY --from is not supported"],
  ["FROM base\nADD https://x/y /", "UNSUPPORTED", "line 2: ADD https://x/y: remote sources"],
  ["FROM base\nADD x.tar.gz /", "UNSUPPORTED", "line 2: ADD x.tar.gz: unpacking archives"],
  ["FROM base\nRUN", "INVALID", "line 2: RUN has no arguments"],
  ["RUN x\nFROM base", "INVALID", "line 1: RUN comes before FROM"],
  ["", "INVALID", "no FROM"],
  ["FROM base\nENV 'a", "INVALID", "line 2: a ' is not closed"],
  ["FROM base\nCOPY none /", "PATH_NOT_FOUND", "line 2: none is not in the build context"],
  ["FROM base\nCOPY --chown=nobody x /", "INVALID", 'line 2: the image has no user "nobody"'],
  ["FROM base\nEXPOSE 70000", "INVALID", "line 2: bad port 70000"],
  ["FROM nothing", "IMAGE_NOT_FOUND", "line 1: no image nothing here"],
  ["FROM base\n\nRUN \\\n exit 3", "BUILD_FAILED", "line 3: RUN exit 3 exited with 3"],
  ["FROM base\nUSER nobody\nRUN true", "INVALID", 'line 3: the image has no user "nobody"'],
  ["FROM base\nCOPY x Dockerfile /y", "INVALID", "line 2: several sources"],
])("%p fails as %s: %s", async (dockerfile, code, message) => {
  await using bed = await testBed();
  await addBase(bed);
  const failed = build(bed, { Dockerfile: dockerfile, x: "" });
  await expect(failed).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  expect(bed.store.list()).toHaveLength(1);
  expect(await readdir(bed.paths.tmp).catch(() => [])).toEqual([]);
});

test("a cancelled build stops its step and leaves nothing half-made", async () => {
  await using bed = await testBed();
  await addBase(bed);
  const abort = new AbortController();
  const onProgress = (line: string) => line === "started" && abort.abort();
  const dockerfile = "FROM base\nRUN echo started && sleep 60";
  const cancelled = build(bed, { Dockerfile: dockerfile }, { signal: abort.signal, onProgress });
  await expect(cancelled).rejects.toMatchObject({ code: "CANCELLED" });
  expect(await readdir(bed.paths.tmp)).toEqual([]);
  expect(await bed.layers.list()).toHaveLength(1);
});

test("a full disk fails the build without a trace", async () => {
  await using bed = await testBed();
  await addBase(bed);
  const context = await contextOf(bed, { Dockerfile: "FROM scratch\nCOPY big /\n", big: "x".repeat(3_000_000) });
  await mkdir(join(bed.root, "small"));
  await using small = await testBed();
  await execOk(["mount", "-t", "tmpfs", "-o", "size=4m", "thaw-test", small.paths.data]);
  try {
    const failed = buildImage({ ...small, context, tag: "big" });
    await expect(failed).rejects.toMatchObject({ code: "NO_SPACE" });
    expect(await readdir(small.paths.tmp)).toEqual([]);
    expect([await small.layers.list(), await small.content.list()]).toEqual([[], []]);
  } finally {
    await execOk(["umount", small.paths.data]);
  }
});

test("a CA bundle is lent to RUN steps and is not in the image", async () => {
  await using bed = await testBed();
  await addBase(bed);
  const caFile = join(bed.root, "ca.crt");
  await writeFile(caFile, "certificate");
  const dockerfile = 'FROM base\nRUN cat "$PIP_CERT" > /kept && ls /';
  const { image } = await build(bed, { Dockerfile: dockerfile }, { caFile });
  const [top = ""] = bed.store.lowers(image);
  expect(await readdir(top)).toEqual(["kept"]);
  expect(await readFile(join(top, "kept"), "utf8")).toBe("certificate");
});

test("the default Dockerfile finds the program, and says so when it cannot", async () => {
  await using bed = await testBed();
  const context = await contextOf(bed, { "hello.py": "", "requirements.txt": "flask>=2\n" });
  const text = await defaultDockerfile(await BuildContext.open(context));
  const keywords = parseDockerfile(text).map(({ keyword }) => keyword);
  expect(keywords).toEqual(["FROM", "WORKDIR", "COPY", "RUN", "COPY", "CMD"]);
  expect(text).toContain('CMD ["python3","hello.py"]');
  await writeFile(join(context, "other.py"), "");
  expect(defaultDockerfile(await BuildContext.open(context))).rejects.toThrow("no Dockerfile, and no program");
  await writeFile(join(context, `${basename(context)}.py`), "");
  expect(await defaultDockerfile(await BuildContext.open(context))).toContain('"context.py"');
});

test("words are split and expanded as Docker does", () => {
  const variables = new Map([
    ["a", "1 2"],
    ["empty", ""],
  ]);
  expect(splitWords("x\"$a\" '$a' \\$a ${a}y ${no:-d e} ${a:+set} ${empty-x} ${empty:-x} $", variables)).toEqual([
    "x1 2",
    "$a",
    "$a",
    "1 2y",
    "d e",
    "set",
    "",
    "x",
    "$",
  ]);
  expect(expandWord("/opt/${a:-${b}}/$no", variables)).toBe("/opt/1 2/");
  expect(() => expandWord("${a", variables)).toThrow("without }");
});
