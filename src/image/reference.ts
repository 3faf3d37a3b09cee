/**
 * Image names as users write them. A name is kept as it is known: `hello` stays `hello:latest`, Docker Hub's long
 * forms (`docker.io/library/x`) shrink to the short one, other registries' names are kept whole.
 */
import { ThawError } from "../common/errors.ts";
import { type Digest, parseDigest } from "../content/index.ts";

/** A parsed image name. `text` is its one normal form: `name:tag`, or `name@digest` when a digest was given. */
export interface Reference {
  readonly name: string;
  /** Undefined only when there is a digest and no tag. */
  readonly tag: string | undefined;
  readonly digest: Digest | undefined;
  readonly text: string;
}

const PART = "[a-z0-9]+(?:(?:\\.|_{1,2}|-+)[a-z0-9]+)*";
const HOST =
  "(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\\[[0-9a-fA-F:]+\\])";
const GRAMMAR = new RegExp(
  `^((?:${HOST}(?::[0-9]{1,5})?/)?${PART}(?:/${PART})*)(?::([A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$`,
);
const HUB = /^(?:index\.)?docker\.io\/(?:library\/)?/;

/**
 * Parses `[host[:port]/]name[:tag][@digest]`; no tag and no digest means `:latest`.
 * @throws ThawError INVALID with the grammar.
 */
export function parseReference(text: string): Reference {
  const [, longName, givenTag, givenDigest] = (text.length <= 512 && GRAMMAR.exec(text)) || [];
  if (longName === undefined || longName.length > 255 || /^[0-9a-f]{64}$/.test(longName)) throw badReference(text);
  const name = longName.replace(HUB, "");
  const digest = givenDigest === undefined ? undefined : parseDigest(givenDigest);
  const tag = givenTag ?? (digest === undefined ? "latest" : undefined);
  const normal = digest === undefined ? `${name}:${tag}` : `${name}@${digest}`;
  return { name, tag, digest, text: normal };
}

function badReference(text: string): ThawError {
  return new ThawError("INVALID", `bad image name ${JSON.stringify(text.slice(0, 200))}`, {
    hint:
      "An image name is NAME[:TAG], like hello or team/hello:1.2: NAME in lower-case letters and digits, joined by " +
      "single '.', '_' or '-' and by '/'; TAG up to 128 letters, digits, '_', '.', '-', not starting with '.' or '-'.",
  });
}
