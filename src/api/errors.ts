/**
 * A ThawError on the wire: Docker's `{"message"}` plus the stable code and the hint.
 */
import { ERROR_CODES, type ErrorCode, ThawError } from "../common/errors.ts";

/** The body of every response with a status from 400 up, and of a failed progress stream's last line. */
export interface ErrorBody {
  readonly message: string;
  readonly code: ErrorCode;
  readonly hint?: string;
}

/** What the API says of an error. */
export function errorBody(error: ThawError): ErrorBody {
  return { message: error.message, code: error.code, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}

/** The error that a response's body describes; a body that describes none becomes an INTERNAL one. */
export function errorFromBody(body: unknown, status: number): ThawError {
  const { message, code, hint } = fields(body);
  if (typeof message !== "string") {
    return new ThawError("INTERNAL", `the daemon answered with status ${status} and no message`);
  }
  const known = typeof code === "string" && isCode(code) ? code : "INTERNAL";
  return new ThawError(known, message, typeof hint === "string" ? { hint } : {});
}

function isCode(text: string): text is ErrorCode {
  return Object.hasOwn(ERROR_CODES, text);
}

function fields(body: unknown): Record<string, unknown> {
  return typeof body === "object" && body !== null ? { ...body } : {};
}
