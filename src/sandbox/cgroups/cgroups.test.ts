import { expect, test } from "bun:test";
import { Cgroups } from "./cgroups.ts";
import { detectCgroups } from "./detect.ts";
import { type CgroupLimits, checkValues } from "./limits.ts";
import { parseNumbers } from "./numbers.ts";
import { weightOfShares } from "./settings.ts";

const HYBRID = `23 1 254:1 / / rw - ext4 /dev/vda1 rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;
const SPLIT = `${HYBRID.replaceAll("cpu,cpuacct", "cpu")}42 31 0:39 / /cg/cpuacct rw - cgroup cgroup rw,cpuacct\n`;
const UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const NONE: CgroupLimits = { memory: undefined, nanoCpus: undefined, pids: undefined };
const RUN = "/run/thaw";

test("hybrid: each controller's own tree, cpu and cpuacct as one, systemd left alone", () => {
  const layout = detectCgroups(HYBRID);
  expect(layout.version).toBe(1);
  expect(layout.hierarchies).toEqual([
    { mount: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu", "cpuacct"] },
    { mount: "/sys/fs/cgroup/cpuset", controllers: ["cpuset"] },
    { mount: "/sys/fs/cgroup/memory", controllers: ["memory"] },
    { mount: "/sys/fs/cgroup/freezer", controllers: ["freezer"] },
    { mount: "/sys/fs/cgroup/pids", controllers: ["pids"] },
  ]);
});

test("v2 is one tree", () => {
  const layout = detectCgroups(UNIFIED);
  expect(layout.version).toBe(2);
  expect(new Cgroups(layout, RUN).leaves("abc")).toEqual([
    expect.stringMatching(/^\/sys\/fs\/cgroup\/thaw-[0-9a-f]{8}\/abc$/),
  ]);
});

test("a machine without cgroups is told so", () => {
  expect(() => detectCgroups("23 1 254:1 / / rw - ext4 /dev/vda1 rw\n")).toThrow("no cgroup hierarchy");
});

test("daemons with different run directories have different parents", () => {
  const layout = detectCgroups(UNIFIED);
  expect(new Cgroups(layout, "/run/a").parent).not.toBe(new Cgroups(layout, "/run/b").parent);
});

test("trees that only limit are joined by those who ask for such a limit", () => {
  const cgroups = new Cgroups(detectCgroups(SPLIT), RUN);
  const trees = (limits: CgroupLimits) => cgroups.leaves("abc", limits).map((path) => path.split("/").at(-3));
  const always = ["cpu", "memory", "freezer", "pids", "cpuacct"];
  expect(trees({ ...NONE, memory: 64 << 20, pids: 9 })).toEqual(always);
  expect(trees({ ...NONE, cpusetMems: "0" })).toEqual(["cpu", "cpuset", ...always.slice(1)]);
  expect(cgroups.remove("abc")).toHaveLength(6);
  const opened = (limits: CgroupLimits) => cgroups.make("abc", limits).filter(({ kind }) => kind === "cgroup_open");
  expect(opened(NONE)).toEqual([{ kind: "cgroup_open", path: `/sys/fs/cgroup/cpuset/${cgroups.parent}/all` }]);
  expect(opened({ ...NONE, cpusetCpus: "0" })).toEqual([]);
});

function settings(mountinfo: string, limits: CgroupLimits) {
  const cgroups = new Cgroups({ ...detectCgroups(mountinfo), swapLimit: true }, RUN);
  return [...cgroups.make("abc", limits), ...cgroups.limit("abc", limits)].flatMap((op) =>
    op.kind === "cgroup_set" ? [`${op.path.split("/").at(-1)}=${op.value}`] : [],
  );
}

test("limits become the files of each world", () => {
  const limits = { memory: 64 << 20, nanoCpus: 5e8, pids: 20 };
  expect(settings(HYBRID, limits)).toEqual([
    "cpu.cfs_period_us=100000",
    "cpu.cfs_quota_us=50000",
    "memory.limit_in_bytes=67108864",
    "memory.memsw.limit_in_bytes=67108864",
    "pids.max=20",
  ]);
});

test.each<[Partial<CgroupLimits>, string[], string[]]>([
  [
    { memory: 1 << 26, memorySwap: -1 },
    ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=-1"],
    ["memory.max=67108864", "memory.swap.max=max", "memory.oom.group=1"],
  ],
  [
    { memory: 1 << 26, memorySwap: 1 << 27 },
    ["memory.limit_in_bytes=67108864", "memory.memsw.limit_in_bytes=134217728"],
    ["memory.max=67108864", "memory.swap.max=67108864", "memory.oom.group=1"],
  ],
  [{ memoryReservation: 1 << 25 }, ["memory.soft_limit_in_bytes=33554432"], ["memory.low=33554432"]],
  [{ nanoCpus: 1e7 }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=1000"], ["cpu.max=1000 100000"]],
  [{ cpuPeriod: 20_000, cpuQuota: 5000 }, ["cpu.cfs_period_us=20000", "cpu.cfs_quota_us=5000"], ["cpu.max=5000 20000"]],
  [{ cpuQuota: -1 }, ["cpu.cfs_period_us=100000", "cpu.cfs_quota_us=-1"], ["cpu.max=max 100000"]],
  [{ cpuShares: 2048 }, ["cpu.shares=2048"], ["cpu.weight=174"]],
])("%j in both worlds", (limits, v1, v2) => {
  const without = (list: string[]) => list.filter((setting) => setting !== "pids.max=512");
  expect(without(settings(HYBRID, { ...NONE, ...limits }))).toEqual(v1);
  expect(without(settings(UNIFIED, { ...NONE, ...limits })).toSorted()).toEqual(v2.toSorted());
});

test("shares keep their ends and their default as weights", () => {
  expect([2, 1024, 262_144].map(weightOfShares)).toEqual([1, 100, 10_000]);
});

test("without limits the processes are still bounded", () => {
  expect(settings(HYBRID, NONE)).toEqual(["pids.max=512"]);
});

test.each<[Partial<CgroupLimits>, string]>([
  [{ memory: 1000 }, "a memory limit of 1000 bytes is too small"],
  [{ memory: 1.5e7 + 0.5 }, "is too small"],
  [{ memorySwap: 1 << 27 }, "none of memory"],
  [{ memory: 1 << 27, memorySwap: 1 << 26 }, "is below that of memory"],
  [{ memory: 1 << 26, memoryReservation: 1 << 27 }, "is above the memory limit"],
  [{ memoryReservation: 1 }, "a memory reservation of 1 bytes is too small"],
  [{ nanoCpus: 0 }, "a CPU limit of 0 is not possible"],
  [{ nanoCpus: 1e9, cpuQuota: 1000 }, "say the same in two ways"],
  [{ cpuPeriod: 999 }, "a CPU period in microseconds of 999 is not possible"],
  [{ cpuQuota: 999 }, "a CPU quota of 999 microseconds is not possible"],
  [{ cpuShares: 1 }, "CPU shares of 1 is not possible"],
  [{ pids: 1 }, "a limit of 1 processes is not possible"],
  [{ blkioWeight: 9 }, "a block IO weight of 9 is not possible"],
])("%j is refused", (limits, message) => {
  expect(() => checkValues({ ...NONE, ...limits })).toThrow(message);
});

test.each<[string, number[] | undefined]>([
  ["0", [0]],
  ["0-2,4", [0, 1, 2, 4]],
  ["3-1", undefined],
  ["", undefined],
  ["a", undefined],
  ["0-99999", undefined],
])("%j as a list of numbers", (text, expected) => {
  expect(parseNumbers(text) && [...(parseNumbers(text) ?? [])]).toEqual(expected);
});
