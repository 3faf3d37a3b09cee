import { expect, test } from "bun:test";
import { Cgroups, detectCgroups } from "./cgroups.ts";

const HYBRID = `23 1 254:1 / / rw - ext4 /dev/vda1 rw
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:5 - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
`;
const UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const NONE = { memory: undefined, nanoCpus: undefined, pids: undefined };

test("hybrid: each controller's own tree, cpu and cpuacct as one, cpuset and systemd left alone", () => {
  const layout = detectCgroups(HYBRID);
  expect(layout.version).toBe(1);
  expect(layout.hierarchies).toEqual([
    { mount: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu"] },
    { mount: "/sys/fs/cgroup/memory", controllers: ["memory"] },
    { mount: "/sys/fs/cgroup/freezer", controllers: ["freezer"] },
    { mount: "/sys/fs/cgroup/pids", controllers: ["pids"] },
  ]);
});

test("v2 is one tree", () => {
  const layout = detectCgroups(UNIFIED);
  expect(layout.version).toBe(2);
  expect(new Cgroups(layout, "/run/thaw").leaves("abc")).toEqual([
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

function settings(mountinfo: string, limits: typeof NONE | { memory: number; nanoCpus: number; pids: number }) {
  const cgroups = new Cgroups({ ...detectCgroups(mountinfo), swapLimit: true }, "/run/thaw");
  return cgroups
    .limit("abc", limits)
    .flatMap((op) => (op.kind === "cgroup_set" ? [`${op.path.split("/").at(-1)}=${op.value}`] : []));
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
  expect(settings(UNIFIED, limits)).toEqual([
    "pids.max=20",
    "memory.max=67108864",
    "memory.swap.max=0",
    "memory.oom.group=1",
    "cpu.max=50000 100000",
  ]);
});

test("without limits the processes are still bounded", () => {
  expect(settings(HYBRID, NONE)).toEqual(["pids.max=512"]);
  expect(settings(UNIFIED, NONE)).toEqual(["pids.max=512"]);
});
