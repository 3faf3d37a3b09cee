import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFile,
  chmod,
  link,
  mkdir,
  mkdtemp,
  rename,
  rm,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execOk } from "../../common/exec.ts";
import { LayerCopy } from "./layer.ts";

let directory: string;
let from: string;
let to: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thaw-layer-"));
  from = join(directory, "from");
  to = join(directory, "to");
  await mkdir(join(from, "d/e"), { recursive: true });
  await mkdir(to);
  for (const name of ["a", "b", "d/c", "d/e/f"]) await writeFile(join(from, name), `content of ${name}`);
  await link(join(from, "a"), join(from, "d/linked"));
  await symlink("a", join(from, "s"));
  await Bun.sleep(60);
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

const PAX = "exthdr.name=%d/%f,delete=atime,delete=ctime";

/** Everything that a copy has to keep: the names for people, all the rest in the digest of an archive. */
async function listing(root: string): Promise<string> {
  const names = await execOk(["find", root, "-printf", "%P %y\n"]);
  const script = `tar -C "$0" --sort=name --format=posix --pax-option=${PAX} --xattrs --xattrs-include='*' -cf - . | sha256sum`;
  return [...names.split("\n").sort(), await execOk(["sh", "-c", script, root])].join("\n");
}

async function copied(change: () => Promise<unknown>, mapped: string[] = []): Promise<void> {
  const copy = await LayerCopy.ahead(from, to);
  await change();
  await copy.finish(mapped);
  expect(await listing(to)).toBe(await listing(from));
}

const path = (name: string) => join(from, name);

const CHANGES: Record<string, () => Promise<unknown>> = {
  nothing: async () => {},
  "content of the same length and time": async () => {
    const when = new Date(1_000_000_000_000);
    await writeFile(path("b"), "CONTENT of b");
    await utimes(path("b"), when, when);
  },
  "an appended line": () => appendFile(path("d/c"), "more"),
  "a hard-linked file": () => appendFile(path("d/linked"), "more"),
  "a file that is gone": () => rm(path("d/e/f")),
  "a tree that is gone": () => rm(path("d"), { recursive: true }),
  "a new tree": async () => {
    await mkdir(path("n/m"), { recursive: true, mode: 0o710 });
    await writeFile(path("n/m/x"), "x");
    await link(path("n/m/x"), path("n/y"));
  },
  "a file in place of a directory": async () => {
    await rm(path("d"), { recursive: true });
    await writeFile(path("d"), "a file");
  },
  "a directory in place of a file": async () => {
    await rm(path("b"));
    await mkdir(path("b"));
    await writeFile(path("b/b"), "b");
  },
  "a renamed directory": () => rename(path("d"), path("r")),
  "permissions of a directory and of the root": async () => {
    await chmod(path("d/e"), 0o700);
    await chmod(from, 0o711);
  },
  "a link that points elsewhere": async () => {
    await rm(path("s"));
    await symlink("b", path("s"));
  },
  "a whiteout in place of a file": async () => {
    await rm(path("b"));
    await execOk(["mknod", path("b"), "c", "0", "0"]);
  },
  "an opaque directory": () =>
    execOk([
      "perl",
      "-e",
      'my ($n, $v) = ("trusted.overlay.opaque", "y"); syscall(188, $ARGV[0], $n, $v, 1, 0) and die',
      path("d"),
    ]),
  "a socket": async () => {
    const server = Bun.listen({ unix: path("d/sock"), socket: { data() {} } });
    await execOk(["cp", "-a", path("d/sock"), path("d/kept")]);
    server.stop(true);
  },
  "a big hole": () => truncate(path("b"), 64 << 20),
};

for (const [what, change] of Object.entries(CHANGES)) test(`a copy follows ${what}`, () => copied(change));

test("a change just before the copy is not mistaken for an old one", async () => {
  await writeFile(path("b"), "11111");
  await copied(async () => writeFile(path("b"), "22222"));
});

test("what may be written through a mapping is copied again without any mark", async () => {
  const copy = await LayerCopy.ahead(from, to);
  await writeFile(join(to, "d/c"), "what was in it before");
  await copy.finish(["/d/c", "/not/in/the/layer"]);
  expect(await Bun.file(join(to, "d/c")).text()).toBe("content of d/c");
});

test("a layer that cannot be copied whole the first time is copied again", async () => {
  await execOk(["chattr", "+i", to]).catch(() => {});
  const copy = await LayerCopy.ahead(from, to);
  await execOk(["chattr", "-i", to]).catch(() => {});
  await copy.finish([]);
  expect(await listing(to)).toBe(await listing(from));
});
