/** podman's archives that were damaged or made on purpose; sound ones are in tests/checkpoint-podman.test.ts. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { lstat, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BLOCK, encodeHeader, padding, type TarHeader } from "../../image/tar/header.ts";
import { FRAMES } from "../images/catalog.ts";
import { decodeImage } from "../images/framing.ts";
import { readPodmanArchive } from "./podman-import.ts";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "thaw-test-"));
  await mkdir(join(directory, "pending/images"), { recursive: true });
  await mkdir(join(directory, "pending/upper"));
});

afterEach(() => rm(directory, { recursive: true, force: true }));

interface Entry {
  readonly name: string;
  readonly body: Uint8Array;
  readonly header?: Partial<TarHeader>;
}

const text = (name: string, content: unknown): Entry => ({ name, body: Buffer.from(JSON.stringify(content)) });

function tar(entries: readonly Entry[]): Buffer {
  const common = { type: "file", mode: 0o644, uid: 0, gid: 0, mtime: "1", linkname: "", major: 0, minor: 0 } as const;
  const parts = entries.flatMap(({ name, body, header }) => {
    const full = { ...common, name, size: body.length, xattrs: new Map<string, string>(), ...header };
    return [encodeHeader(full), body, new Uint8Array(padding(body.length))];
  });
  return Buffer.concat([...parts, new Uint8Array(2 * BLOCK)]);
}

function message(fields: Record<number, number | Uint8Array>): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, value] of Object.entries(fields)) {
    if (typeof value === "number") writer.tag(Number(number), WireType.Varint).uint32(value);
    else writer.tag(Number(number), WireType.LengthDelimited).bytes(value);
  }
  return writer.finish();
}

function image(magics: readonly number[], entry: Uint8Array): Buffer {
  const words = Buffer.from(Uint32Array.of(...magics, entry.length).buffer);
  return Buffer.concat([words, entry]);
}

const COMMON = 0x54564319;
const ids = (namespaces: readonly number[]) =>
  message(Object.fromEntries([1, 1, 1, 1, ...namespaces].map((id, index) => [index + 1, id])));
/** Of pid, network, IPC, UTS, mounts, users, cgroups and time. */
const OUTSIDE = [1, 2, 3, 4, 6, 7, 8, 5];
const INSIDE = [9, 10, 11, 12, 13, 7, 8, 5];

const idsImage = (namespaces: readonly number[]): Entry => {
  return { name: "checkpoint/ids-1.img", body: image([COMMON, FRAMES.ids.magic], ids(namespaces)) };
};

const SPEC = {
  process: { user: { uid: 0, gid: 0 }, args: ["/bin/x"], cwd: "/" },
  mounts: [{ destination: "/proc" }],
  linux: { namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })) },
};

const GOOD: readonly Entry[] = [
  text("config.dump", { name: "web", rootfsImageName: "localhost/web:latest" }),
  text("spec.dump", SPEC),
  text("checkpoint/descriptors.json", ["/dev/null", "pipe:[5]", "pipe:[6]"]),
  text("deleted.files", ["/etc/gone"]),
  {
    name: "checkpoint/inventory.img",
    body: image([FRAMES.inventory.magic], message({ 1: 2, 3: ids(OUTSIDE) })),
  },
  idsImage(INSIDE),
  { name: "checkpoint/utsns-12.img", body: Buffer.from("x") },
  { name: "rootfs-diff.tar", body: tar([{ name: "etc/new", body: Buffer.from("new") }]) },
];

const pending = (path: string) => join(directory, "pending", path);

async function read(entries: readonly Entry[]) {
  const file = join(directory, "a.tar");
  await writeFile(file, tar(entries));
  return readPodmanArchive(file, join(directory, "pending"), new AbortController().signal);
}

test("the processes' namespaces become the sandbox's, but for their pids", async () => {
  const { container, stdio } = await read(GOOD);
  expect(container).toMatchObject({ name: "web", image: "web:latest", spec: { argv: ["/bin/x"], init: false } });
  expect(stdio).toEqual([null, "pipe:[5]", "pipe:[6]"]);
  expect(readdirSync(pending("images")).sort()).toEqual(["ids-1.img", "inventory.img"]);
  const [own] = decodeImage(readFileSync(pending("images/ids-1.img")), "ids-1.img", FRAMES.ids);
  expect(own?.entry).toMatchObject({ vm: 1, pidNamespace: 9, netNamespace: 2, ipcNamespace: 3, utsNamespace: 4 });
  expect(own?.entry).toMatchObject({ mntNamespace: 6, userNamespace: 7, cgroupNamespace: 8, timeNamespace: 5 });
  expect(readFileSync(pending("upper/etc/new"), "utf8")).toBe("new");
  if (process.getuid?.() === 0) expect((await lstat(pending("upper/etc/gone"))).rdev).toBe(0);
  expect(existsSync(pending("rootfs-diff.tar"))).toBe(false);
});

const replaced = (entry: Entry) => [...GOOD.filter(({ name }) => name !== entry.name), entry];
const without = (name: string) => GOOD.filter((entry) => entry.name !== name);

const HOSTILE: Record<string, [readonly Entry[], string]> = {
  "no config.dump": [without("config.dump"), "BAD_ARCHIVE"],
  "no inventory": [without("checkpoint/inventory.img"), "BAD_ARCHIVE"],
  "no streams": [without("checkpoint/descriptors.json"), "BAD_ARCHIVE"],
  "what is no JSON": [replaced({ name: "spec.dump", body: Buffer.from("{") }), "BAD_ARCHIVE"],
  "a thaw.json behind": [[...GOOD, text("thaw.json", {})], "BAD_ARCHIVE"],
  "an image twice": [[...GOOD, idsImage(INSIDE)], "BAD_ARCHIVE"],
  "an image's name with a path": [[...GOOD, { name: "checkpoint/../../x", body: Buffer.from("x") }], "BAD_ARCHIVE"],
  "an image that is a link": [
    [...GOOD, { name: "checkpoint/x.img", body: Buffer.alloc(0), header: { type: "symlink", linkname: "/etc" } }],
    "BAD_ARCHIVE",
  ],
  "a damaged image": [replaced({ name: "checkpoint/ids-1.img", body: Buffer.from("damaged") }), "INVALID"],
  "deleted files outside": [replaced(text("deleted.files", ["../../x"])), "BAD_ARCHIVE"],
  "a file of the layer outside": [
    replaced({ name: "rootfs-diff.tar", body: tar([{ name: "../../escaped", body: Buffer.from("x") }]) }),
    "BAD_ARCHIVE",
  ],
  "the host's processes": [replaced(idsImage([1, ...INSIDE.slice(1)])), "UNSUPPORTED"],
  "another user namespace": [replaced(idsImage([...INSIDE.slice(0, 5), 99, 8, 5])), "UNSUPPORTED"],
  "a terminal": [[...GOOD, { name: "checkpoint/tty-info.img", body: Buffer.from("x") }], "UNSUPPORTED"],
  "a bind": [replaced(text("spec.dump", { ...SPEC, mounts: [{ destination: "/data" }] })), "UNSUPPORTED"],
  "the host's network": [
    replaced(text("spec.dump", { ...SPEC, linux: { namespaces: SPEC.linux.namespaces.slice(2) } })),
    "UNSUPPORTED",
  ],
  "files in /dev/shm": [
    [...GOOD, { name: "devshm-checkpoint.tar", body: tar([{ name: "x", body: Buffer.from("x") }]) }],
    "UNSUPPORTED",
  ],
};

test.each(Object.entries(HOSTILE))("refused: %s", async (_, [entries, code]) => {
  await expect(read(entries)).rejects.toMatchObject({ code });
  expect(existsSync(join(directory, "escaped"))).toBe(false);
});
