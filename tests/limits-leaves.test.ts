/** What a leaf that was used forgets, seen on real leaves beside fresh ones (v1: with v2 no leaf is used again). */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Cgroups, detectCgroups, freshLeaves, isReusable } from "../src/sandbox/index.ts";
import { until } from "./support/world.ts";

const layout = process.getuid?.() === 0 ? detectCgroups() : undefined;
const MB = 1 << 20;
const NONE = { memory: undefined, nanoCpus: undefined, pids: undefined };
const LIMITS = { memory: 64 * MB, memorySwap: 80 * MB, memoryReservation: 32 * MB, nanoCpus: undefined, pids: 20 };

/** What reset.ts says of itself that it cannot forget, and what changes by itself. */
const GROWING = ["cpuacct.stat", "memory.stat", "memory.numa_stat", "memory.kmem.slabinfo", "pids.events", "pids.peak"];
/** Kernel memory and page cache that went with no process; and counters begin again with what is in use. */
const IN_USE = /^memory\.(kmem\.|memsw\.)?(max_)?usage_in_bytes$/;
const LITTLE = MB;

/** Every file of a leaf that can be read, with its text. */
function contents(leaf: string): Record<string, string> {
  const files = readdirSync(leaf).flatMap((name) => {
    try {
      return [[name, readFileSync(join(leaf, name), "utf8").trim()]];
    } catch {
      return [];
    }
  });
  return Object.fromEntries(files);
}

function set(operations: ReturnType<typeof freshLeaves>): void {
  for (const op of operations) if (op.kind === "cgroup_set") writeFileSync(op.path, op.value);
}

/** Uses memory, page cache, processes and CPU time, runs into the limits of memory and processes, and ends. */
async function wearOut(leaves: readonly string[], file: string): Promise<void> {
  const script = [
    ...leaves.map((leaf) => `echo 0 > ${leaf}/tasks`),
    `dd if=/dev/zero of=${file} bs=1M count=100 2>/dev/null; rm ${file}`,
    "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done",
    // The last of them cannot be forked, and that ends the shell.
    "i=0; while [ $i -lt 30 ]; do sleep 0.01 & i=$((i+1)); done",
  ];
  await Bun.spawn(["sh", "-c", script.join("\n")], { stderr: "ignore" }).exited;
  // A process counts until its parent has taken note of its end, and these have only the machine's init.
  const left = leaves.map((leaf) => join(leaf, "pids.current")).find(existsSync) ?? "";
  await until(() => readFileSync(left, "utf8") === "0\n");
}

test.skipIf(layout?.version !== 1)("a leaf that was used is as a fresh one (needs cgroup v1, root)", async () => {
  const directory = mkdtempSync(join(tmpdir(), "thaw-test-"));
  const cgroups = new Cgroups(layout ?? detectCgroups(), directory);
  await cgroups.prepare();
  const [used, fresh] = [cgroups.leaves("used"), cgroups.leaves("fresh")];
  try {
    for (const leaf of [...used, ...fresh]) mkdirSync(leaf);
    set(cgroups.limit("used", { ...LIMITS, cpuShares: 100 }));
    // On a disk: in a tmpfs, as /tmp is on some machines, it would be memory that cannot be given back.
    await wearOut(used, join(import.meta.dir, "../build/worn-out"));
    writeFileSync(join(cgroups.leaf("used", "freezer") ?? "", "freezer.state"), "FROZEN");
    set(freshLeaves(cgroups, "used"));
    for (const [index, leaf] of used.entries()) {
      const [is, wanted] = [contents(leaf), contents(fresh[index] ?? "")];
      const inUse = Object.entries(is).filter(([name]) => IN_USE.test(name));
      for (const [, bytes] of inUse) expect(Number(bytes)).toBeLessThan(LITTLE);
      for (const name of [...GROWING, ...inUse.map(([file]) => file)]) delete is[name];
      for (const name of Object.keys(wanted)) if (!(name in is)) delete wanted[name];
      expect({ tree: basename(leaf), ...is }).toEqual({ tree: basename(leaf), ...wanted });
    }
  } finally {
    for (const leaf of [...used, ...fresh]) rmdirSync(leaf);
    await cgroups.removeParents();
    rmSync(directory, { recursive: true });
  }
});

test.skipIf(layout === undefined)("leaves whose counters would be noticed are not used again (needs root)", () => {
  const v1 = { version: 1, hierarchies: [{ mount: "/cg/memory", controllers: ["memory"] }], swapLimit: false } as const;
  const cgroups = new Cgroups(v1, "/run/thaw");
  expect(isReusable(cgroups, { ...NONE, memory: 64 * MB })).toBe(true);
  expect(isReusable(cgroups, { ...NONE, nanoCpus: 1e9 })).toBe(false);
  expect(isReusable(new Cgroups({ ...v1, version: 2 }, "/run/thaw"), NONE)).toBe(false);
  expect(freshLeaves(cgroups, "a").flatMap((op) => (op.kind === "cgroup_set" ? [basename(op.path)] : []))).toEqual([
    "memory.soft_limit_in_bytes",
    "memory.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.kmem.max_usage_in_bytes",
    "memory.failcnt",
  ]);
});
