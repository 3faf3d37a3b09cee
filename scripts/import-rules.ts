/**
 * Which folder of src may import which: the architecture's dependency directions as data. A folder
 * always may import itself, npm packages and builtins. `make check` enforces this table.
 */

/** Bottom first: each folder may import those that stand before it, unless ALLOWED says less. */
export const LAYERS: readonly string[] = [
  "common",
  "content",
  "image",
  "rootfs",
  "volume",
  "launcher",
  "sandbox",
  "network",
  "container",
  "checkpoint",
  "service",
  "gateway",
  "api",
  "daemon",
  "cli",
  "bench",
];

/** Folders that see less than what stands before them: they reach the daemon through its API only. */
export const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  cli: ["common", "api"],
  // The in-process micro-benchmark times the launcher without a daemon.
  bench: ["common", "api", "cli", "launcher", "sandbox"],
};

/** Single files that may import one file more. A path ends in "/" where a whole folder is meant. */
export const EXCEPTIONS: readonly { readonly from: string; readonly to: string; readonly why: string }[] = [
  { from: "cli/main.ts", to: "daemon/main.ts", why: "the CLI and the daemon are one program" },
  { from: "cli/main.ts", to: "bench/", why: "the program registers the benchmark commands" },
  {
    from: "bench/restore/packaged.ts",
    to: "checkpoint/criu/",
    why: "CRIU's own commands are measured beside thaw: the one that works here has to be found",
  },
  { from: "common/version.ts", to: "../package.json", why: "the version is written down once" },
];
