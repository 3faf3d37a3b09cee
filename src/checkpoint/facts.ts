/**
 * The facts that a checkpoint depends on. A dumped process has the kernel's vDSO in its memory, code
 * that chose instructions by what its CPU had, and state in the form that this kernel gave out: where
 * they differ a restore would be refused late or go wrong silently, so they are compared first.
 */
import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { z } from "zod";
import { ThawError } from "../common/errors.ts";
import { VERSION } from "../common/version.ts";

/** What a restore needs to find again. */
export const MachineFacts = z.strictObject({
  /** Kernel release, "6.18.44". */
  kernelRelease: z.string().min(1),
  /** Kernel version string (build number, date). */
  kernelVersion: z.string().min(1),
  /** "x64" or "arm64". */
  architecture: z.string().min(1),
  cpuVendor: z.string(),
  /** Family, model and stepping, for people to read. */
  cpuModel: z.string(),
  /** Instruction-set features that programs choose code by, sorted. */
  cpuFlags: z.array(z.string().regex(/^[a-z0-9_]+$/)),
  /** SHA-256 of the vDSO, hex. */
  vdso: z.string().regex(/^[0-9a-f]{64}$/),
  /** CRIU's version, "4.2.1". */
  criu: z.string().regex(/^\d+(\.\d+)*/),
  /** thaw's version. */
  thaw: z.string().min(1),
});

/** See `MachineFacts` above. */
export type MachineFacts = z.infer<typeof MachineFacts>;

/** Flags of /proc/cpuinfo that user programs see; others come and go with microcode, boot options and hypervisors. */
const USER_FLAGS = new RegExp(
  `^(${[
    "fpu|lm|cx8|cx16|cmov|nx|syscall|rdtscp|rdpid|rdpru|fsgsbase|mmx|mmxext|3dnow.*|fxsr|fxsr_opt|pni|ssse3|sse.*",
    "misalignsse|avx.*|amx_.*|fma|fma4|xop|tbm|f16c|bmi[12]|adx|aes|vaes|.*pclmulqdq|gfni|sha_ni|sha512|sm[34]|abm",
    "popcnt|movbe|lahf_lm|rdrand|rdseed|clflush|clflushopt|clwb|cldemote|clzero|erms|fsrm|fzrm|fsrs|fsrc|xsave.*",
    "xgetbv1|pku|ospke|waitpkg|movdiri|movdir64b|serialize|tsxldtrk|rtm|hle|user_shstk|enqcmd|monitorx|lwp",
  ].join("|")})$`,
);

/**
 * The facts of this machine.
 * @throws ThawError UNSUPPORTED_MACHINE when the kernel maps no vDSO.
 */
export async function machineFacts(criuVersion: string): Promise<MachineFacts> {
  const kernel = async (name: string) => (await readFile(`/proc/sys/kernel/${name}`, "utf8")).trim();
  return {
    kernelRelease: await kernel("osrelease"),
    kernelVersion: await kernel("version"),
    architecture: process.arch,
    ...cpuFacts(await readFile("/proc/cpuinfo", "utf8")),
    vdso: await vdsoDigest(),
    criu: criuVersion,
    thaw: VERSION,
  };
}

/** Why a checkpoint with the facts `recorded` cannot be restored on a machine with the facts `here`; empty when it can. */
export function incompatibilities(recorded: MachineFacts, here: MachineFacts): string[] {
  const reasons: string[] = [];
  const differ = (what: string, then: string, now: string) => {
    if (then !== now) reasons.push(`${what}: made on ${then}, this is ${now}`);
  };
  differ("architecture", recorded.architecture, here.architecture);
  differ("kernel", recorded.kernelRelease, here.kernelRelease);
  if (recorded.kernelRelease === here.kernelRelease) differ("kernel build", recorded.kernelVersion, here.kernelVersion);
  differ("CPU vendor", recorded.cpuVendor, here.cpuVendor);
  const missing = recorded.cpuFlags.filter((flag) => !here.cpuFlags.includes(flag));
  if (missing.length > 0) reasons.push(`CPU (${here.cpuModel}): lacks ${missing.join(", ")} of ${recorded.cpuModel}`);
  differ("vDSO", recorded.vdso.slice(0, 12), here.vdso.slice(0, 12));
  if (compareVersions(here.criu, recorded.criu) < 0)
    reasons.push(`CRIU: made by ${recorded.criu}, this is the older ${here.criu}`);
  differ("thaw", series(recorded.thaw), series(here.thaw));
  return reasons;
}

/** Vendor, model and flags out of the text of /proc/cpuinfo; only flags that every CPU has. */
export function cpuFacts(cpuinfo: string): Pick<MachineFacts, "cpuVendor" | "cpuModel" | "cpuFlags"> {
  const values = (name: string) =>
    [...cpuinfo.matchAll(new RegExp(`^${name}\\s*: ?(.*)$`, "gm"))].map((match) => match[1] ?? "");
  const first = (...names: string[]) => names.flatMap(values)[0]?.trim() ?? "unknown";
  const sets = [...values("flags"), ...values("Features")].map((line) => new Set(line.trim().split(/\s+/)));
  const isArm = values("Features").length > 0;
  const common = [...(sets[0] ?? [])].filter((flag) => sets.every((set) => set.has(flag)));
  return {
    cpuVendor: first("vendor_id", "CPU implementer"),
    cpuModel: `family ${first("cpu family", "CPU architecture")} model ${first("model", "CPU part")}`,
    cpuFlags: common.filter((flag) => isArm || USER_FLAGS.test(flag)).sort(),
  };
}

/** Checkpoints are kept within a series: 0.1.x, later 1.x. */
function series(version: string): string {
  const [major = "0", minor = "0"] = version.split(".");
  return major === "0" ? `${major}.${minor}` : major;
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** SHA-256 of this process's vDSO, which is every process's. */
async function vdsoDigest(): Promise<string> {
  const maps = await readFile("/proc/self/maps", "utf8");
  const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(maps) ?? [];
  if (from === undefined || to === undefined) {
    throw new ThawError("UNSUPPORTED_MACHINE", "expected a [vdso] mapping in /proc/self/maps, found none", {
      hint: "Boot the kernel without vdso=0.",
    });
  }
  const start = Number.parseInt(from, 16);
  const vdso = Buffer.alloc(Number.parseInt(to, 16) - start);
  const memory = await open("/proc/self/mem", "r");
  try {
    const { bytesRead } = await memory.read(vdso, 0, vdso.length, start);
    if (bytesRead !== vdso.length)
      throw new ThawError("INTERNAL", `vDSO: expected ${vdso.length} bytes, read ${bytesRead}`);
  } finally {
    await memory.close();
  }
  return createHash("sha256").update(vdso).digest("hex");
}
