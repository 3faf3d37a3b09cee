import { expect, test } from "bun:test";
import { Cgroups } from "./cgroups/index.ts";
import { cgroupView, timeOffsets } from "./namespaces.ts";

const NONE = { memory: undefined, nanoCpus: undefined, pids: undefined };

test("offsets are whole seconds and a rest that is not negative", () => {
  const kind = "time_offsets";
  const offsets = (monotonicNs: bigint, boottimeNs: bigint) => timeOffsets({ monotonicNs, boottimeNs });
  expect(offsets(0n, 1n)).toEqual({ kind, monotonicS: 0, monotonicNs: 0, boottimeS: 0, boottimeNs: 1 });
  expect(offsets(-1n, -1_000_000_000n)).toEqual({
    kind,
    monotonicS: -1,
    monotonicNs: 999_999_999,
    boottimeS: -1,
    boottimeNs: 0,
  });
  expect(offsets(5_000_000_007n, -5_000_000_007n)).toMatchObject({ monotonicS: 5, boottimeS: -6 });
});

test("the view has controllers that are mounted together under each of their names", () => {
  const hierarchies = [
    { mount: "/sys/fs/cgroup/cpu,cpuacct", controllers: ["cpu"] },
    { mount: "/sys/fs/cgroup/memory", controllers: ["memory"] },
  ] as const;
  const cgroups = new Cgroups({ version: 1, hierarchies, swapLimit: false }, "/run/thaw");
  expect(cgroupView(cgroups, cgroups.view("a", NONE))).toMatchObject({
    names: ["cpu,cpuacct", "memory"],
    paths: [`/sys/fs/cgroup/cpu,cpuacct/${cgroups.parent}/a`, `/sys/fs/cgroup/memory/${cgroups.parent}/a`],
    links: ["cpu", "cpu,cpuacct", "cpuacct", "cpu,cpuacct"],
  });
});

test("with v2 the view is the one leaf", () => {
  const hierarchies = [{ mount: "/sys/fs/cgroup", controllers: ["cpu", "memory"] }] as const;
  const cgroups = new Cgroups({ version: 2, hierarchies, swapLimit: true }, "/run/thaw");
  expect(cgroupView(cgroups, cgroups.view("a", NONE))).toMatchObject({ names: [], paths: cgroups.leaves("a") });
});
