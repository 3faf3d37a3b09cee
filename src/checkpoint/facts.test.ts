import { expect, test } from "bun:test";
import { cpuFacts, incompatibilities, MachineFacts, machineFacts } from "./facts.ts";

const recorded: MachineFacts = {
  kernelRelease: "6.1.0",
  kernelVersion: "#1 SMP",
  architecture: "x64",
  cpuVendor: "GenuineIntel",
  cpuModel: "family 6 model 106",
  cpuFlags: ["avx2", "sse2"],
  vdso: "a".repeat(64),
  criu: "4.2.1",
  thaw: "0.1.3",
};

test("this machine's facts are valid, stable and compatible with themselves", async () => {
  const [first, second] = [await machineFacts("4.2.1"), await machineFacts("4.2.1")];
  expect(MachineFacts.parse(first)).toEqual(second);
  expect(first.cpuFlags.length).toBeGreaterThan(3);
  expect(incompatibilities(first, second)).toEqual([]);
});

test("another process has the same vDSO", async () => {
  const script = `import { machineFacts } from ${JSON.stringify(`${import.meta.dir}/facts.ts`)};
    console.log((await machineFacts("1")).vdso);`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe" });
  expect((await new Response(child.stdout).text()).trim()).toBe((await machineFacts("1")).vdso);
});

test("every fact that matters is compared, in words", () => {
  const compare = (here: Partial<MachineFacts>) => incompatibilities(recorded, { ...recorded, ...here });
  expect(compare({ kernelRelease: "6.18.44", kernelVersion: "#2" })).toEqual([
    "kernel: made on 6.1.0, this is 6.18.44",
  ]);
  expect(compare({ kernelVersion: "#2 SMP" })).toEqual(["kernel build: made on #1 SMP, this is #2 SMP"]);
  expect(compare({ architecture: "arm64" })).toHaveLength(1);
  expect(compare({ cpuVendor: "AuthenticAMD" })).toHaveLength(1);
  expect(compare({ cpuFlags: ["sse2"] })).toEqual(["CPU (family 6 model 106): lacks avx2 of family 6 model 106"]);
  expect(compare({ vdso: "b".repeat(64) })).toEqual(["vDSO: made on aaaaaaaaaaaa, this is bbbbbbbbbbbb"]);
  expect(compare({ criu: "4.1.1" })).toEqual(["CRIU: made by 4.2.1, this is the older 4.1.1"]);
  expect(compare({ thaw: "0.2.0" })).toEqual(["thaw: made on 0.1, this is 0.2"]);
});

test("more CPU features, another model, a newer CRIU and a patch of thaw do no harm", () => {
  const here = { cpuFlags: ["avx2", "avx512f", "sse2"], cpuModel: "family 6 model 143", criu: "4.10", thaw: "0.1.4" };
  expect(incompatibilities(recorded, { ...recorded, ...here })).toEqual([]);
});

test("flags are those that every CPU has and programs see", () => {
  const cpu = (flags: string) =>
    `vendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\nmodel name\t: X\nflags\t\t: ${flags}\n`;
  const facts = cpuFacts(`${cpu("fpu sse2 hypervisor avx512f md_clear")}\n${cpu("fpu sse2 hypervisor amx_tile")}`);
  expect(facts).toEqual({ cpuVendor: "GenuineIntel", cpuModel: "family 6 model 143", cpuFlags: ["fpu", "sse2"] });
});
