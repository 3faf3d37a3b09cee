/**
 * What the launcher says went wrong, in words. The launcher gives errno numbers; every sentence about them is
 * built here.
 */
import { constants } from "node:os";
import { type ErrorDetails, ThawError } from "../common/errors.ts";
import { type ErrorMessage, type FailedMessage, opNames, type Request } from "./generated/protocol.ts";

const NAMES = new Map<number, string>(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** Not among the names that the runtime knows. */
const ESHUTDOWN = 108;

const WORDS: Readonly<Record<string, string>> = {
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  ESRCH: "no such process",
  EIO: "input/output error",
  E2BIG: "arguments or environment too long",
  ENOEXEC: "not a program for this machine",
  EAGAIN: "try again: a limit of processes was reached",
  ENOMEM: "not enough memory",
  EACCES: "permission denied",
  EBUSY: "busy",
  EEXIST: "exists already",
  ENOTDIR: "not a directory",
  EISDIR: "is a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open files on the machine",
  EMFILE: "too many open files",
  ENOSPC: "no space left on the device",
  EROFS: "read-only file system",
  ELOOP: "too many symbolic links",
  ENAMETOOLONG: "name too long",
  ENOSYS: "not known to this kernel",
  EADDRINUSE: "address in use",
  EADDRNOTAVAIL: "address not of this machine",
  ETIMEDOUT: "timed out",
  EDQUOT: "disk quota exceeded",
  EXDEV: "would leave the container's root",
};

/** The name of an error number ("ENOENT"); `errno 999` when there is none. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? `errno ${errno}`;
}

/** An error number for people: "ENOENT (no such file or directory)". */
export function errnoText(errno: number): string {
  const name = errnoName(errno);
  const words = WORDS[name];
  return words === undefined ? name : `${name} (${words})`;
}

/** The error for a request that the launcher refused. */
export function refusal(request: Request, reply: ErrorMessage): ThawError {
  const name = errnoName(reply.errno);
  if (request.kind === "listen" && name === "EADDRINUSE") {
    const where = request.path || `${request.address}:${request.port}`;
    return new ThawError("PORT_IN_USE", `${where} is in use by another program`, {
      hint: "Choose another port, or end the program that listens there (ss -ltnp shows it).",
    });
  }
  if (request.kind === "listen" && name === "EADDRNOTAVAIL") {
    return new ThawError("INVALID", `${request.address} is not an address of this machine`, {
      hint: "Use 0.0.0.0, 127.0.0.1 or an address that `ip address` shows.",
    });
  }
  if (name === "ENOSPC" || name === "EDQUOT") return noSpace(reply.message);
  if (reply.errno === ESHUTDOWN) return ending();
  const subject = "id" in request ? ` ${request.id}` : "";
  const detail = reply.message ? `: ${reply.message}` : "";
  return new ThawError(
    "LAUNCHER_FAILED",
    `the launcher refused ${request.kind}${subject}: ${errnoText(reply.errno)}${detail}`,
  );
}

/** There is no launcher, or none for long: another may be there soon. LAUNCHER_FAILED for whoever sees it. */
export class LauncherGone extends ThawError {
  constructor(message: string, details: ErrorDetails = {}) {
    super("LAUNCHER_FAILED", message, details);
  }
}

/** The error for everything asked of a launcher once its end has begun. */
export function ending(): LauncherGone {
  return new LauncherGone("the launcher was told to end and begins nothing more", {
    hint: "The daemon is being stopped (thaw daemon stop); the next command starts another.",
  });
}

/** The error for a plan that failed, for those who know nothing better to say about it. */
export function planFailure(event: FailedMessage): ThawError {
  const name = errnoName(event.errno);
  if (name === "ENOSPC" || name === "EDQUOT") return noSpace(event.detail);
  return new ThawError("START_FAILED", describeFailure(event));
}

/** A failed plan in one sentence: the operation, what it was about, why. */
export function describeFailure(event: FailedMessage): string {
  const operation = opNames[event.code] ?? `operation ${event.code}`;
  const about = event.detail ? ` ${event.detail}` : "";
  const reason = event.errno !== 0 ? errnoText(event.errno) : `exit status ${event.exitStatus}`;
  return `${operation}${about}: ${reason}`;
}

function noSpace(detail: string): ThawError {
  return new ThawError("NO_SPACE", `no space left on the device${detail ? `: ${detail}` : ""}`, {
    hint: "Free disk space under the data directory (thaw rm, thaw image rm, thaw checkpoint rm) and try again.",
  });
}

/** The error for everything asked of a launcher that is not there. */
export function unreachable(what: string, cause?: unknown): LauncherGone {
  return new LauncherGone(`the launcher does not answer (${what})`, {
    hint: "Try again in a moment; launcher.log in the run directory says what happened to it.",
    ...(cause === undefined ? {} : { cause }),
  });
}
