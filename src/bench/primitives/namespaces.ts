/**
 * Figures 3 and 4: namespaces. Each kind is made and dropped by itself; "dropped" is what the one who closes the last
 * reference waits for, "freed" is when the kernel has really let go of it. Network namespaces, the dear ones, are also
 * made several at a time, bare or wired; their rate counts until the last of them is freed.
 */
import type { Case } from "./measure.ts";

const KINDS = ["mnt", "pid", "ipc", "uts", "cgroup", "time", "user", "net"] as const;
/** A namespace of users would have to be freed inside of itself to be counted. */
const COUNTED = KINDS.filter((kind) => kind !== "user");

/** Each kind: made and dropped, back to back and paced; then how long it takes until it is freed. */
export function namespaceCases(): Case[] {
  const made = (kind: string, paced: boolean): Case => ({
    figure: "namespaces",
    name: kind,
    argv: ["namespace", "--how", kind],
    steps: ["make", "drop"],
    paced,
    params: { kind },
  });
  const freed = (kind: string): Case => ({
    figure: "namespaces",
    name: `${kind}, until it is freed`,
    argv: ["namespace", "--how", kind, "--until-gone"],
    steps: ["freed"],
    params: { kind },
  });
  return [...KINDS.flatMap((kind) => [made(kind, false), made(kind, true)]), ...COUNTED.map(freed)];
}

const SETUPS = [
  { how: "none", name: "bare" },
  { how: "lo", name: "loopback up" },
  { how: "veth", name: "veth to a bridge" },
];

/** Network namespaces, `parallel` at a time. */
export function networkCases(parallel: readonly number[]): Case[] {
  return SETUPS.flatMap(({ how, name }) =>
    parallel.map(
      (processes): Case => ({
        figure: "network",
        name: `${name}, ${processes} at a time`,
        argv: ["net", "--how", how, "--parallel", String(processes)],
        steps: ["make", "drop"],
        elapsed: true,
        params: { setup: how, parallel: processes },
      }),
    ),
  );
}
