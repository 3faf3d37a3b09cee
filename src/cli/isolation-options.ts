/** Texts of isolation options made what the API takes. What the API can judge by itself is left to it. */
import { parseDevice, parseUlimit } from "../api/isolation-texts.ts";
import { bad, readText } from "./options.ts";

/** @throws ThawError INVALID. */
export function deviceOption(text: string) {
  const device = parseDevice(text);
  if (device === undefined) {
    throw bad("--device", "HOST[:CONTAINER[:rwm]] such as /dev/fuse or /dev/sda:/dev/xvda:r", text);
  }
  return device;
}

/** @throws ThawError INVALID. */
export function ulimitOption(text: string) {
  const limit = parseUlimit(text);
  if (limit === undefined) throw bad("--ulimit", "NAME=SOFT[:HARD] such as nofile=1024:2048", text);
  return limit;
}

/** `name=value`. @throws ThawError INVALID. */
export function pairOption(option: string, text: string): [string, string] {
  const at = text.indexOf("=");
  if (at < 1) throw bad(option, "NAME=VALUE", text);
  return [text.slice(0, at), text.slice(at + 1)];
}

/** `target[:options]`. */
export function tmpfsOption(text: string): [string, string] {
  const at = text.indexOf(":");
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

/** The fields for `--security-opt`: a profile's file is read here, for the daemon may see other files. @throws ThawError PATH_NOT_FOUND. */
export function securityOptions(texts: readonly string[]) {
  const rest = texts.filter((text) => !/^systempaths[=:]unconfined$/.test(text));
  return {
    SecurityOpt: rest.map(withProfile),
    ...(rest.length < texts.length ? { MaskedPaths: [], ReadonlyPaths: [] } : {}),
  };
}

function withProfile(text: string): string {
  const file = /^seccomp[=:](.+)$/.exec(text)?.[1];
  if (file === undefined || ["unconfined", "builtin"].includes(file) || file.startsWith("{")) return text;
  return `seccomp=${readText(file, "--security-opt seccomp")}`;
}
