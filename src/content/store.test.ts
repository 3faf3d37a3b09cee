import { expect, test } from "bun:test";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execOk } from "../common/exec.ts";
import { ContentStore, digestOf, isDigest, parseDigest } from "./index.ts";

async function withStore(work: (store: ContentStore, content: string) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), "thaw-test-"));
  try {
    await work(new ContentStore({ content: join(root, "content") }), join(root, "content"));
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function* chunks(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

test("content comes back by its digest, however it was chunked", () =>
  withStore(async (store) => {
    const { digest, size } = await store.put(chunks("hello ", "world"));
    expect(digest).toBe(digestOf("hello world"));
    expect(size).toBe(11);
    expect(await store.put(Buffer.from("hello world"))).toEqual({ digest, size });
    expect(Buffer.from(await store.read(digest)).toString()).toBe("hello world");
    expect(await new Response(await store.open(digest)).text()).toBe("hello world");
    expect(await store.list()).toEqual([digest]);
    expect(await store.delete(digest)).toBe(true);
    expect(await store.delete(digest)).toBe(false);
    expect(await store.stat(digest)).toBeUndefined();
    expect(store.read(digest)).rejects.toMatchObject({ code: "PATH_NOT_FOUND" });
  }));

test("a wrong digest, a broken source and too much content leave nothing behind", () =>
  withStore(async (store, content) => {
    const expected = digestOf("something else");
    await expect(store.put(chunks("x"), { expected })).rejects.toMatchObject({ code: "DIGEST_MISMATCH" });
    await expect(store.put(chunks("x", "yz"), { maxBytes: 2 })).rejects.toMatchObject({ code: "BAD_ARCHIVE" });
    await expect(store.put(chunks("x"), { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: "CANCELLED" });
    async function* broken() {
      yield Buffer.from("x");
      throw new Error("the connection broke");
    }
    await expect(store.put(broken())).rejects.toThrow("the connection broke");
    expect(await store.list()).toEqual([]);
    expect(await readdir(join(content, "ingest"))).toEqual([]);
  }));

test("sweep removes what a crash left half-written, and only that", () =>
  withStore(async (store, content) => {
    const { digest } = await store.put(Buffer.from("whole"));
    await writeFile(join(content, "ingest", "half"), "ha");
    await store.sweep();
    expect(await readdir(content)).toEqual(["blobs"]);
    expect(await store.has(digest)).toBe(true);
    await store.put(Buffer.from("again"));
  }));

test("a full disk is NO_SPACE and leaves no part of the blob", () =>
  withStore(async (_, content) => {
    await mkdir(content, { recursive: true });
    await execOk(["mount", "-t", "tmpfs", "-o", "size=1m", "thaw-test", content]);
    try {
      const store = new ContentStore({ content });
      const { digest } = await store.put(new Uint8Array(100_000));
      await expect(store.put(new Uint8Array(2_000_000))).rejects.toMatchObject({ code: "NO_SPACE" });
      expect(await readdir(join(content, "ingest"))).toEqual([]);
      expect(await store.list()).toEqual([digest]);
      await store.put(new Uint8Array(500_000));
    } finally {
      await execOk(["umount", content]);
    }
  }));

test.each(["", "sha256:", `sha256:${"A".repeat(64)}`, `sha256:${"a".repeat(63)}/`, `sha512:${"a".repeat(64)}`, 7])(
  "%p is no digest",
  (bad) => {
    expect(isDigest(bad)).toBe(false);
    expect(() => parseDigest(bad)).toThrow("bad digest");
  },
);
