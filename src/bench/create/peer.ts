/** What a command that is compared with others is, and how it is tried. */
import { exec } from "../../common/exec.ts";

/** A command that may be measured. */
export interface Peer {
  readonly name: string;
  /** Undefined where it cannot be run; `absent` says why. */
  readonly argv?: readonly string[];
  readonly absent?: string;
  readonly note?: string;
  /** In addition to this process's. */
  readonly env?: Readonly<Record<string, string>>;
  /** A command that gives it surroundings of its own: it execs its arguments. */
  readonly prefix?: readonly string[];
  /** Tried in its place when it fails. */
  readonly otherwise?: Peer;
}

/** Peers, and what undoes their preparation. */
export interface Prepared {
  readonly peers: readonly Peer[];
  readonly remove: () => Promise<void>;
}

/** What there is to work with. */
export interface Ground {
  readonly root: string;
  /** The root in a tar file. */
  readonly archive: string;
  /** A directory of the benchmark's own. */
  readonly directory: string;
  readonly signal: AbortSignal;
}

/** How long preparing or trying may take. */
const LIMIT_MS = 60_000;
/** Runs a command to its end, with a bound. */
export function attempt(
  peer: Pick<Peer, "prefix" | "env">,
  argv: readonly string[],
  signal: AbortSignal,
  cwd?: string,
) {
  const env = { ...environment(), ...peer.env };
  const bounded = AbortSignal.any([signal, AbortSignal.timeout(LIMIT_MS)]);
  return exec([...(peer.prefix ?? []), ...argv], { env, signal: bounded, ...(cwd === undefined ? {} : { cwd }) });
}

/** This process's environment. */
export function environment(): Record<string, string> {
  return Object.fromEntries(Object.entries(process.env).flatMap(([k, v]) => (v === undefined ? [] : [[k, v]])));
}

/** The last line of what a command complained. */
export function complaint(stderr: string): string {
  return stderr.trim().split("\n").at(-1) ?? "";
}

/** A peer whose program is not there. */
export function absent(name: string): Peer {
  return { name, absent: `${name.split(" ")[0]} is not installed` };
}

/** crun knows v1 and v2, and gives up where both have controllers. It is measured without seeing the second then. */
export const WITHOUT_V2 = "umount -l /sys/fs/cgroup/unified";
