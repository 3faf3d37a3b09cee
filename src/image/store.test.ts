import { expect, test } from "bun:test";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ContentStore, digestHex } from "../content/index.ts";
import { type TestBed, testBed } from "./build/testing.ts";
import { imageInspect, imageSummary } from "./docker-json.ts";
import type { CommittedLayer } from "./layer/index.ts";
import type { ImageConfig } from "./oci.ts";

async function layerOf(bed: TestBed, text: string): Promise<CommittedLayer> {
  const upper = await bed.layers.temporary();
  await writeFile(join(upper, "file"), text);
  return bed.layers.commit(upper);
}

function configOf(layers: readonly CommittedLayer[], cmd: string): ImageConfig {
  return {
    created: "2026-01-02T03:04:05.000Z",
    architecture: "amd64",
    os: "linux",
    config: { Cmd: [cmd], Labels: { made: "here" } },
    rootfs: { type: "layers", diff_ids: layers.map((layer) => layer.diffId) },
    history: [],
  };
}

test("an image is found by name, id and prefix, and has Docker's JSON shapes", async () => {
  await using bed = await testBed();
  const layer = await layerOf(bed, "a");
  const image = await bed.store.add(configOf([layer], "run"), [layer], "hello");
  const hex = digestHex(image.id);
  for (const name of ["hello", "hello:latest", image.id, hex, hex.slice(0, 12), `hello@${image.manifestDigest}`]) {
    expect(bed.store.resolve(name)).toEqual(image);
  }
  expect(() => bed.store.resolve("other")).toThrow(expect.objectContaining({ code: "IMAGE_NOT_FOUND" }));
  expect(() => bed.store.resolve("No Such")).toThrow(expect.objectContaining({ code: "INVALID" }));
  expect(bed.store.lowers(image)).toEqual([bed.layers.path(layer.diffId)]);
  const created = Date.parse("2026-01-02T03:04:05Z") / 1000;
  expect(imageSummary(image)).toMatchObject({
    Id: image.id,
    RepoTags: ["hello:latest"],
    Created: created,
    Size: layer.size,
  });
  expect(imageInspect(image)).toMatchObject({ Config: { Cmd: ["run"] }, RootFS: { Layers: [layer.diffId] } });
});

test("removing an image removes the layers and blobs that only it needs", async () => {
  await using bed = await testBed();
  const [shared, one, two] = [await layerOf(bed, "s"), await layerOf(bed, "1"), await layerOf(bed, "2")];
  const first = await bed.store.add(configOf([shared, one], "a"), [shared, one], "first");
  const second = await bed.store.add(configOf([shared, two], "b"), [shared, two], "second");
  await bed.store.tag("first", "alias:1");
  expect(await bed.store.remove("first")).toEqual([{ Untagged: "first:latest" }]);
  expect(await bed.layers.has(one.diffId)).toBe(true);
  expect(await bed.store.remove("alias:1")).toEqual([{ Untagged: "alias:1" }, { Deleted: first.id }]);
  expect((await bed.layers.list()).sort()).toEqual([shared.diffId, two.diffId].sort());
  expect((await bed.content.list()).sort()).toEqual([shared.blob, two.blob, second.id, second.manifestDigest].sort());
  await bed.store.remove("second");
  expect([await bed.layers.list(), await bed.content.list()]).toEqual([[], []]);
});

test("an image in use stays, also when its name moves on, until its user is gone", async () => {
  const users = new Set<string>();
  await using bed = await testBed(() => [...users]);
  const [one, two] = [await layerOf(bed, "1"), await layerOf(bed, "2")];
  const old = await bed.store.add(configOf([one], "a"), [one], "app");
  users.add("container web");
  await expect(bed.store.remove("app", { force: true })).rejects.toMatchObject({ code: "IN_USE" });
  const next = await bed.store.add(configOf([two], "b"), [two], "app");
  expect(bed.store.resolve("app").id).toBe(next.id);
  expect(bed.store.resolve(old.id).references).toEqual([]);
  users.clear();
  await bed.store.collect();
  expect(bed.store.find(old.id)).toBeUndefined();
  expect(await bed.layers.list()).toEqual([two.diffId]);
});

test("an id with several names goes only by force", async () => {
  await using bed = await testBed();
  const layer = await layerOf(bed, "1");
  const { id } = await bed.store.add(configOf([layer], "a"), [layer], "one");
  await bed.store.tag("one", "two");
  await expect(bed.store.remove(id)).rejects.toThrow("has 2 names: one:latest, two:latest");
  await bed.store.remove(id, { force: true });
  expect(bed.store.list()).toEqual([]);
});

test("nothing is collected while something holds; then it is", async () => {
  await using bed = await testBed();
  const layer = await layerOf(bed, "1");
  await bed.store.add(configOf([layer], "a"), [layer], "one");
  await bed.store.holding(async () => {
    const other = await layerOf(bed, "other");
    await bed.store.remove("one");
    expect((await bed.layers.list()).sort()).toEqual([layer.diffId, other.diffId].sort());
  });
  expect([await bed.layers.list(), await bed.content.list()]).toEqual([[], []]);
});

test("sweep removes files without rows and rows without files", async () => {
  await using bed = await testBed();
  const [kept, lost] = [await layerOf(bed, "kept"), await layerOf(bed, "lost")];
  const image = await bed.store.add(configOf([kept], "a"), [kept], "kept");
  bed.store.cacheStep("key", lost, "2026-01-01T00:00:00Z");
  await bed.layers.remove(lost.diffId);
  const orphan = await layerOf(bed, "orphan");
  await mkdir(join(bed.paths.tmp, "layer-crashed"));
  await bed.store.sweep();
  expect(bed.store.cachedStep("key")).toBeUndefined();
  expect(await bed.layers.has(orphan.diffId)).toBe(false);
  expect(await bed.layers.list()).toEqual([kept.diffId]);
  expect(bed.store.resolve("kept")).toEqual(image);
  expect(await new ContentStore(bed.paths).list()).toHaveLength(3);
});
