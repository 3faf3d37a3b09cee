/**
 * What has to be on a machine before thaw is quick on it: a kernel with what containers need, the launcher, and a CRIU
 * that works. Safe to repeat; what is there already is only checked.
 */
import { readFileSync } from "node:fs";
import { release } from "node:os";
import { installCriu } from "../checkpoint/index.ts";
import { ThawError } from "../common/errors.ts";
import type { Paths } from "../common/paths.ts";
import { findLauncher } from "../launcher/index.ts";
import { detectCgroups } from "../sandbox/index.ts";

/** The oldest kernel with everything the launcher calls (mount_setattr, openat2, clone3, pidfds). */
const OLDEST_KERNEL = [5, 12] as const;

/**
 * Checks and prepares the machine. @returns one line for each thing that is in order.
 * @throws ThawError NOT_PERMITTED, UNSUPPORTED_MACHINE, DEPENDENCY_MISSING, with what to do.
 */
export async function setup(paths: Paths, progress: (line: string) => void): Promise<string[]> {
  if (process.getuid?.() !== 0) {
    throw new ThawError("NOT_PERMITTED", "setup needs root", { hint: "Run `sudo thaw setup`." });
  }
  const kernel = checkKernel(release());
  checkOverlay(readFileSync("/proc/filesystems", "utf8"));
  checkRoot(readFileSync("/proc/self/mountinfo", "utf8"));
  const cgroups = detectCgroups();
  const launcher = findLauncher();
  const criu = await installCriu(paths, progress);
  return [
    `kernel     ${kernel}, overlayfs`,
    `cgroups    v${cgroups.version}`,
    `launcher   ${launcher}`,
    `criu       ${criu.version} (${criu.source === "system" ? "the system's" : `in ${paths.cache}`})`,
  ];
}

/** @throws ThawError UNSUPPORTED_MACHINE. */
export function checkKernel(version: string): string {
  const [major = 0, minor = 0] = version.split(/[.-]/).map(Number);
  const [wantedMajor, wantedMinor] = OLDEST_KERNEL;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return version;
  throw new ThawError("UNSUPPORTED_MACHINE", `expected Linux ${OLDEST_KERNEL.join(".")} or newer, got ${version}`, {
    hint: "Update the kernel.",
  });
}

function checkOverlay(filesystems: string): void {
  if (/\boverlay$/m.test(filesystems)) return;
  throw new ThawError("UNSUPPORTED_MACHINE", "this kernel has no overlayfs", { hint: "Load it: modprobe overlay." });
}

/**
 * In a chroot whose root is no mount point nobody can make containers: pivot_root refuses.
 * @throws ThawError UNSUPPORTED_MACHINE.
 */
export function checkRoot(mountinfo: string): void {
  if (mountinfo.split("\n").some((line) => line.split(" ")[4] === "/")) return;
  throw new ThawError("UNSUPPORTED_MACHINE", "the root directory is not a mount point (a plain chroot)", {
    hint: "Bind-mount the directory on itself (mount --bind DIR DIR) before the chroot.",
  });
}
