import { expect, test } from "bun:test";
import {
  CAPABILITIES,
  capabilityBits,
  capabilityName,
  chosenCapabilities,
  DEFAULT_CAPABILITIES,
} from "./capabilities.ts";
import { Cgroups } from "./cgroups/index.ts";
import { hostsText, resolverText } from "./etc.ts";
import { deviceLeafCleanup, deviceLeafOps, hideOps, mountOps, readonlyRootOps } from "./isolation-plan.ts";
import { sysctlPath, sysctlProblem } from "./sysctls.ts";
import { rlimitOps } from "./ulimits.ts";

test("capabilities have the kernel's numbers", () => {
  expect(CAPABILITIES).toHaveLength(41);
  expect(capabilityBits(["CHOWN", "SYS_ADMIN", "CHECKPOINT_RESTORE"])).toBe(1n | (1n << 21n) | (1n << 40n));
  expect(["cap_net_admin", "All", "CAP_", "fly"].map(capabilityName)).toEqual([
    "NET_ADMIN",
    "ALL",
    undefined,
    undefined,
  ]);
});

test.each([
  [{}, DEFAULT_CAPABILITIES],
  [{ capDrop: ["ALL"] }, []],
  [{ capDrop: ["all"], capAdd: ["Chown"] }, ["CHOWN"]],
  [{ capAdd: ["ALL"], capDrop: ["cap_bpf"] }, CAPABILITIES.filter((name) => name !== "BPF")],
  [{ capAdd: ["MKNOD"], capDrop: ["MKNOD"] }, DEFAULT_CAPABILITIES],
  [{ privileged: true, capDrop: ["ALL"] }, CAPABILITIES],
])("%j chooses", (wishes, names) => {
  const chosen: string[] = chosenCapabilities(wishes);
  expect(chosen.toSorted()).toEqual([...names].toSorted());
});

test("limits are numbers, -1 is the largest", () => {
  expect(rlimitOps([{ name: "nofile", soft: 5, hard: -1 }])).toEqual([
    { kind: "rlimit", resource: 7, soft: 5n, hard: 2n ** 64n - 1n },
  ]);
});

test.each([
  ["net.core.somaxconn", undefined],
  ["net/ipv4/conf/eth0.1/forwarding", undefined],
  ["kernel.sem", undefined],
  ["fs.mqueue.msg_max", undefined],
  ["kernel.shmx", "belongs"],
  ["kernel.core_pattern", "belongs"],
  ["net.../../kernel.panic", "belongs"],
  ["vm.swappiness", "belongs"],
])("the sysctl %s", (name, problem) => {
  const found = sysctlProblem(name, { ipc: true, net: true });
  if (problem === undefined) expect(found).toBeUndefined();
  else expect(found).toContain(problem);
  expect(sysctlProblem(name, { ipc: false, net: false })).toBeDefined();
});

test("a sysctl's path keeps the dots of an interface's name when it is written with slashes", () => {
  expect(sysctlPath("net.ipv4.ip_forward")).toBe("net/ipv4/ip_forward");
  expect(sysctlPath("net/ipv4/conf/eth0.1/forwarding")).toBe("net/ipv4/conf/eth0.1/forwarding");
});

test("/etc/hosts and /etc/resolv.conf", () => {
  const isolation = { domainname: "d.org", extraHosts: ["a:1.2.3.4", "gw:host-gateway", "b:2001:db8::1"] };
  expect(hostsText("h", isolation, "10.0.0.1").split("\n").slice(0, 5)).toEqual([
    "127.0.0.1\tlocalhost h.d.org h",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "1.2.3.4\ta",
    "10.0.0.1\tgw",
    "2001:db8::1\tb",
  ]);
  expect(hostsText("h", isolation, undefined)).not.toContain("gw");
  const base = "# made by hand\nnameserver 1.1.1.1\nsearch home\noptions rotate\n";
  expect(resolverText(base, {})).toBe(base);
  expect(resolverText(base, { dns: ["9.9.9.9"] })).toBe(
    "# made by hand\nsearch home\noptions rotate\nnameserver 9.9.9.9\n",
  );
  expect(resolverText(base, { dnsSearch: ["."] })).toBe("# made by hand\nnameserver 1.1.1.1\noptions rotate\n");
  expect(resolverText(undefined, {})).toBeUndefined();
});

test("mounts come parents first", () => {
  const binds = [
    { source: "/s", target: "/a/b", readonly: true },
    { source: "/t", target: "/c", readonly: false, propagation: "rshared" as const },
  ];
  const tmpfs = [{ target: "/a", flags: 14, options: "" }];
  expect(mountOps(binds, { tmpfs })).toEqual([
    { kind: "attach_tree", source: "/t", target: "/c", attributes: 4n, propagation: (1n << 20n) | (1n << 14n) },
    { kind: "tmpfs", target: "/a", flags: 14n, options: "" },
    { kind: "attach_tree", source: "/s", target: "/a/b", attributes: 5n, propagation: (1n << 18n) | (1n << 14n) },
  ]);
});

test("what CRIU reads stays protected whatever is asked for", () => {
  for (const isolation of [{ privileged: true }, { maskedPaths: [], readonlyPaths: [] }]) {
    expect(hideOps(isolation)).toEqual([{ kind: "make_readonly", path: "/run/criu.kdat" }]);
  }
});

test("a read-only root gets its working directory first", () => {
  expect(readonlyRootOps("/a/b", { readonlyRoot: true }).map(({ kind }) => kind)).toEqual([
    "make_root_dir",
    "root_readonly",
  ]);
  expect(readonlyRootOps("/", { readonlyRoot: true })).toEqual([{ kind: "root_readonly" }]);
  expect(readonlyRootOps("/a", {})).toEqual([]);
});

test("a container with devices has a leaf of its own that begins with none; others have no such leaf", () => {
  const hierarchies = [{ mount: "/cg/devices", controllers: ["devices"] }] as const;
  const cgroups = new Cgroups({ version: 1, hierarchies, swapLimit: false }, "/run/x");
  const isolation = { devices: [{ source: "/dev/null", target: "/dev/nil", access: "r" }] };
  const leaf = `/cg/devices/${cgroups.parent}-devices/c`;
  const ops = deviceLeafOps(cgroups, "c", isolation);
  expect(ops.slice(1, 3)).toEqual([
    { kind: "cgroup_make", path: leaf },
    { kind: "cgroup_set", path: `${leaf}/devices.deny`, value: "a" },
  ]);
  expect(ops.at(-1)).toEqual({ kind: "cgroup_set", path: `${leaf}/devices.allow`, value: "c 1:3 r" });
  expect(deviceLeafCleanup(cgroups, "c", isolation)).toEqual([{ kind: "cgroup_remove", path: leaf }]);
  expect([...deviceLeafOps(cgroups, "c", {}), ...deviceLeafCleanup(cgroups, "c", {})]).toEqual([]);
});
