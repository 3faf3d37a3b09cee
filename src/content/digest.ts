/**
 * Digests name content: `sha256:` and 64 lower-case hex digits. They become file names, so there is one
 * parser, used wherever a digest comes from outside (a manifest, a request, the database).
 */
import { createHash } from "node:crypto";
import { ThawError } from "../common/errors.ts";

/** A string that `parseDigest` accepted: `sha256:<64 hex digits>`. */
export type Digest = `sha256:${string}`;

const PATTERN = /^sha256:[0-9a-f]{64}$/;

/** Whether `text` is a well-formed digest. */
export function isDigest(text: unknown): text is Digest {
  return typeof text === "string" && PATTERN.test(text);
}

/**
 * The one way to get a Digest out of a foreign string.
 * @throws ThawError INVALID when it is anything but `sha256:` and 64 lower-case hex digits.
 */
export function parseDigest(text: unknown): Digest {
  if (isDigest(text)) return text;
  throw new ThawError("INVALID", `bad digest ${JSON.stringify(text)?.slice(0, 100)}`, {
    hint: "A digest is sha256: and 64 lower-case hexadecimal digits.",
  });
}

/** The 64 hex digits of a digest: the name of its file or directory. */
export function digestHex(digest: Digest): string {
  return digest.slice("sha256:".length);
}

/** The digest made of 64 hex digits. @throws ThawError INVALID */
export function digestFromHex(hex: string): Digest {
  return parseDigest(`sha256:${hex}`);
}

/** The digest of bytes or UTF-8 text that are in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return digestFromHex(createHash("sha256").update(bytes).digest("hex"));
}
