/**
 * How a container ended, out of what the launcher says: exit codes as a shell gives them, and failed starts in the
 * words and codes that users of `docker run` know (127: no such program, 126: it cannot be run, 125: anything else).
 */
import { ThawError } from "../common/errors.ts";
import { type FailedMessage, opNames } from "../launcher/generated/protocol.ts";
import { describeFailure, errnoName, errnoText, planFailure } from "../launcher/index.ts";
import type { Container } from "./types.ts";

/** The end of a container. */
export interface Outcome {
  readonly exitCode: number;
  readonly oomKilled: boolean;
  readonly error: string;
  /** Milliseconds since the epoch. */
  readonly finishedAt: number;
}

/** 128 + n after signal n. `waitStatus` as of waitpid(2). */
export function exitCodeOf(waitStatus: number): number {
  const signal = waitStatus & 0x7f;
  return signal === 0 ? (waitStatus >> 8) & 0xff : 128 + signal;
}

/** Milliseconds since the epoch, of nanoseconds. */
export function milliseconds(ns: bigint): number {
  return Number(ns / 1_000_000n);
}

/** The end by exit or signal. */
export function exitedOutcome(end: { waitStatus: number; oomKills: number; atNs: bigint }): Outcome {
  const oomKilled = end.oomKills > 0;
  return { exitCode: exitCodeOf(end.waitStatus), oomKilled, error: "", finishedAt: milliseconds(end.atNs) };
}

const SIZE_UNITS = [
  ["g", 2 ** 30],
  ["m", 2 ** 20],
  ["k", 2 ** 10],
] as const;

/** What there is to say about an end beyond its exit code: "killed: out of memory (limit 64m)", or "". */
export function endNote({ oomKilled, spec }: Pick<Container, "oomKilled" | "spec">): string {
  if (!oomKilled) return "";
  const { memory } = spec.limits;
  if (memory === undefined) return "killed: the machine was out of memory";
  const [unit, size] = SIZE_UNITS.find(([, bytes]) => memory % bytes === 0) ?? ["", 1];
  return `killed: out of memory (limit ${memory / size}${unit})`;
}

/** A start that failed, as the caller of start gets it and as the row keeps it. */
export interface StartFailure {
  readonly error: ThawError;
  readonly exitCode: number;
}

const CANNOT_RUN = ["EACCES", "ENOEXEC", "EPERM", "EISDIR", "ETXTBSY"];

/** Says what went wrong with a start. */
export function startFailure(container: Container, event: FailedMessage): StartFailure {
  const operation = opNames[event.code];
  if (operation === "exec") return execFailure(container, event);
  if (operation === "working_dir") {
    const error = new ThawError("START_FAILED", `cannot work in ${event.detail}: ${errnoText(event.errno)}`, {
      hint: "Choose another --workdir, or correct the image's.",
    });
    return { error, exitCode: 126 };
  }
  const known = portFailure(event, operation) ?? idFailure(event) ?? optionFailure(event, operation);
  return { error: known ?? planFailure(event), exitCode: 125 };
}

/** What user namespaces can meet. */
function idFailure(event: FailedMessage): ThawError | undefined {
  const operation = opNames[event.code];
  const name = errnoName(event.errno);
  if (name === "EOPNOTSUPP") {
    const what = `${event.detail} is on a file system that cannot map ids`;
    return new ThawError("START_FAILED", `${what}, which a container with a user namespace needs`, {
      hint: "Use a directory on ext4, xfs, btrfs or (since Linux 6.3) tmpfs, or leave out --userns auto.",
    });
  }
  if (operation === "user_make" && name === "ENOSPC") {
    return new ThawError("START_FAILED", "the machine allows no more user namespaces", {
      hint: "Raise /proc/sys/user/max_user_namespaces, or end containers.",
    });
  }
  return undefined;
}

/** Options that only the kernel could judge. */
function optionFailure({ errno, detail }: FailedMessage, operation: string | undefined): ThawError | undefined {
  const name = errnoName(errno);
  if ((operation === "attach_tree" || operation === "tmpfs") && name === "EPERM") {
    return new ThawError(
      "START_FAILED",
      `nothing can be mounted at ${detail}: it leads to the container's root, or into its /proc or /sys`,
      {
        hint: "The image, or a volume, has a link there. Choose another place.",
      },
    );
  }
  if (operation === "sysctl") {
    const sysctl = detail.replaceAll("/", ".");
    const why = name === "ENOENT" ? "this kernel has no sysctl" : `${errnoText(errno)}: cannot set the sysctl`;
    return new ThawError("START_FAILED", `${why} ${sysctl}`, { hint: "Correct --sysctl." });
  }
  if (operation === "rlimit" || operation === "oom_score") {
    const option = operation === "rlimit" ? "--ulimit" : "--oom-score-adj";
    return new ThawError("START_FAILED", `${option}: the machine does not allow this value: ${errnoText(errno)}`, {
      hint: "Ask for less.",
    });
  }
  return undefined;
}

/** A port of the host that cannot be had. */
function portFailure(event: FailedMessage, operation: string | undefined): ThawError | undefined {
  if (operation !== "port_hold") return undefined;
  const name = errnoName(event.errno);
  if (name === "EADDRINUSE") {
    return new ThawError("PORT_IN_USE", `${event.detail} is in use by another program or container`, {
      hint: "Choose another port, or end what has it (ss -tulnp shows it).",
    });
  }
  if (name !== "EADDRNOTAVAIL") return planFailure(event);
  return new ThawError("INVALID", `${event.detail} is not at an address of this machine`, {
    hint: "Use 0.0.0.0, 127.0.0.1 or an address that `ip address` shows.",
  });
}

function execFailure({ spec }: Container, event: FailedMessage): StartFailure {
  const program = JSON.stringify(spec.argv[0] ?? "");
  const name = errnoName(event.errno);
  if (name === "ENOENT" || name === "ENOTDIR") {
    const where = spec.argv[0]?.includes("/")
      ? "(or the interpreter or loader that it names is not there)"
      : `(searched PATH=${pathOf(spec.env)})`;
    const error = new ThawError("START_FAILED", `${program}: no such program in the container ${where}`, {
      hint: "Check its spelling, or install it in the image.",
    });
    return { error, exitCode: 127 };
  }
  const error = new ThawError("START_FAILED", `${program}: cannot be run: ${errnoText(event.errno)}`, {
    hint: "It must be an executable file for this machine (chmod +x), or a script whose first line names one.",
  });
  return { error, exitCode: CANNOT_RUN.includes(name) ? 126 : 125 };
}

function pathOf(env: readonly string[]): string {
  const entry = env.findLast((text) => text.startsWith("PATH="));
  return entry?.slice("PATH=".length) ?? "the usual directories";
}

/** A failure that nobody waits for, in one sentence. */
export function failureText(event: FailedMessage): string {
  return describeFailure(event);
}
