/**
 * Every failure that reaches a user is a `ThawError`: a stable code, what happened, what was expected
 * and what to do. Codes are public: scripts may match them, nobody matches message text.
 */

/** Stable error codes with the HTTP status the API answers them with. */
export const ERROR_CODES = {
  /** The request, option or file is malformed. */
  INVALID: 400,
  /** A compose file or Dockerfile has something in it that thaw does not know. */
  UNSUPPORTED: 400,
  /** No image of that name here, and none could be made. */
  IMAGE_NOT_FOUND: 404,
  /** No container of that name or id. */
  CONTAINER_NOT_FOUND: 404,
  /** No checkpoint of that name. */
  CHECKPOINT_NOT_FOUND: 404,
  /** No volume of that name. */
  VOLUME_NOT_FOUND: 404,
  /** No service of that name. */
  SERVICE_NOT_FOUND: 404,
  /** No network of that name or id. */
  NETWORK_NOT_FOUND: 404,
  /** A rootfs directory or a file that was named does not exist. */
  PATH_NOT_FOUND: 404,
  /** No such API route. */
  ROUTE_NOT_FOUND: 404,
  /** The name is taken. */
  NAME_IN_USE: 409,
  /** The object is in a state that does not allow this. */
  WRONG_STATE: 409,
  /** A container uses the image, volume, network or address, or a service the checkpoint. */
  IN_USE: 409,
  /** Another program (or service) listens there. */
  PORT_IN_USE: 409,
  /** The checkpoint was made on another kernel, CPU or thaw and cannot be restored here. */
  CHECKPOINT_INCOMPATIBLE: 409,
  /** The process could not be dumped. */
  CHECKPOINT_FAILED: 500,
  /** The checkpoint is right but restoring it failed. */
  RESTORE_FAILED: 500,
  /** The container could not be started: the program is missing, not executable, ... */
  START_FAILED: 400,
  /** A build step exited non-zero. */
  BUILD_FAILED: 400,
  /** A layer or archive is hostile or damaged. */
  BAD_ARCHIVE: 400,
  /** Content does not have the digest it was asked for by. */
  DIGEST_MISMATCH: 500,
  /** The data directory's disk is full. */
  NO_SPACE: 507,
  /** The service did not become ready in time. */
  NOT_READY: 504,
  /** A program thaw needs is missing (criu, mmdebstrap, the launcher). */
  DEPENDENCY_MISSING: 500,
  /** The kernel or the machine lacks something thaw needs. */
  UNSUPPORTED_MACHINE: 500,
  /** The daemon does not answer. */
  DAEMON_UNREACHABLE: 503,
  /** The launcher does not answer or refused a plan. */
  LAUNCHER_FAILED: 503,
  /** thaw must be run as root. */
  NOT_PERMITTED: 403,
  /** A time limit passed. */
  TIMEOUT: 504,
  /** The caller gave up; nothing is left of what was begun. */
  CANCELLED: 499,
  /** A bug in thaw. */
  INTERNAL: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** What to do about it, one sentence for the user. */
  hint?: string;
  /** The failure underneath, kept for the log. */
  cause?: unknown;
}

/** A failure with a stable code. `message` says what was expected and what came; `hint` what to do. */
export class ThawError extends Error {
  override readonly name = "ThawError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
  }

  /** The HTTP status the API answers this error with. */
  get status(): number {
    return ERROR_CODES[this.code];
  }
}

/** The errno name of a system error ("ENOENT"), or undefined when `error` is not one. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

/** Turns anything thrown into a ThawError: full disks and missing rights get their own codes. */
export function asThawError(error: unknown): ThawError {
  if (error instanceof ThawError) return error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === "AbortError") {
    return new ThawError("CANCELLED", "the operation was cancelled", { cause: error });
  }
  switch (errnoOf(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return new ThawError("NO_SPACE", `no space left: ${message}`, {
        hint: "Free disk space under the data directory (thaw rm, thaw image rm, thaw checkpoint rm) and try again.",
        cause: error,
      });
    case "EACCES":
    case "EPERM":
      return new ThawError("NOT_PERMITTED", message, { hint: "Run thaw as root.", cause: error });
    default:
      return new ThawError("INTERNAL", message, { cause: error });
  }
}
