/**
 * Which devices may be opened: by a cgroup v2 leaf in the machine's v2 tree, which has no controllers where v1 has
 * them, but the programs for devices need none; and by containers.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { type Op, Role, Wait } from "../src/launcher/generated/protocol.ts";
import { runToEnd } from "../src/launcher/index.ts";
import { deviceFilter } from "../src/sandbox/device-filter.ts";
import { type Isolation, Namespace } from "../src/sandbox/index.ts";
import { DEVICE_RULES } from "../src/sandbox/tables.ts";
import { closeWorld, openWorld, runToEnd as runContainer, type World } from "./support/world.ts";

const tree = /^\S+ (\S+) cgroup2 /m.exec(readFileSync("/proc/self/mounts", "utf8"))?.[1];
let world: World;
let parent: string;

beforeAll(async () => {
  world = await openWorld();
  parent = join(tree ?? "", `thaw-test-devices-${process.pid}`);
});

afterAll(() =>
  closeWorld(world, async () => {
    if (tree !== undefined) rmdirSync(parent);
  }),
);

/** Makes each node, opens it for reading or writing, and says what worked. */
const SCRIPT = `
try() {
  n=/tmp/$1-$5-$3
  mknod $n $2 $3 $4 2>/dev/null || { echo made no $1; return; }
  (if [ $5 = r ]; then : < $n; else : > $n; fi) 2>/dev/null && echo opened $1
}
try null c 1 3 w; try zero c 1 5 r; try kmsg c 1 11 r; try kmsg c 1 11 w
try disk b 254 0 r; try disk b 8 0 r; try pts c 136 77 r`;

/** Runs the script in a leaf with these rules. */
async function opened(rules: readonly string[]): Promise<string[]> {
  const leaf = join(parent, "leaf");
  const output = join(world.root, "../output");
  const plan: Op[] = [
    { kind: "make_dir", path: parent, mode: 0o755 },
    { kind: "cgroup_make", path: leaf },
    { kind: "device_filter", path: leaf, program: deviceFilter(rules) },
    { kind: "spawn", role: Role.main, wait: Wait.exec, namespaces: Namespace.mount, join: 0 },
    { kind: "mounts_private" },
    { kind: "output_to", path: output },
    { kind: "root_bind", path: world.root, readonly: 0 },
    { kind: "mount", fstype: "tmpfs", target: "/tmp", flags: 0n, options: "" },
    { kind: "pivot" },
    { kind: "exec", path: "/bin/sh", argv: ["sh", "-c", SCRIPT], env: ["PATH=/bin"] },
  ];
  const cleanup = [{ kind: "cgroup_remove", path: leaf } as const];
  await runToEnd(world.launcher, { kind: "run", id: "devices", sandbox: "", stdio: 0, log: "", plan, cleanup });
  return readFileSync(output, "utf8").trim().split("\n");
}

test.skipIf(tree === undefined)(
  "a leaf opens what its rules say, reading and writing apart (needs cgroup v2)",
  async () => {
    expect(await opened(DEVICE_RULES)).toEqual(["opened null", "opened zero"]);
    expect(await opened([...DEVICE_RULES, "c 1:11 r"])).toEqual(["opened null", "opened zero", "opened kmsg"]);
    expect(await opened(["c 1:* rwm", "b *:* m"])).toEqual([
      "opened null",
      "opened zero",
      "opened kmsg",
      "opened kmsg",
      "made no pts",
    ]);
  },
);

test("a container, and one with a device of the host's", async () => {
  const script = "mknod /tmp/k c 1 11; (: > /tmp/k) 2>/dev/null && echo opened; (: < /dev/null) && echo null";
  const run = async (isolation: Isolation) => (await runContainer(world, ["sh", "-c", script], { isolation })).stdout;
  expect(await run({})).toBe("null\n");
  const device = { source: "/dev/kmsg", target: "/dev/kmsg", access: "w" };
  expect(await run({ devices: [device] })).toBe("opened\nnull\n");
});
