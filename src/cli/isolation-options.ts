/** Texts of isolation options made what the API takes. What the API can judge by itself is left to it. */
import { bad, readText } from "./options.ts";

/** `HOST[:CONTAINER[:rwm]]`, also `HOST:rwm`. @throws ThawError INVALID. */
export function deviceOption(text: string) {
  const [host = "", second = "", third] = text.split(":");
  const isAccess = /^[rwm]{1,3}$/.test(second) && third === undefined;
  const access = isAccess ? second : (third ?? "rwm");
  const container = isAccess || second === "" ? host : second;
  const whole = text.split(":").length <= 3 && host.startsWith("/") && container.startsWith("/");
  if (!whole || !/^[rwm]{1,3}$/.test(access)) {
    throw bad("--device", "HOST[:CONTAINER[:rwm]] such as /dev/fuse or /dev/sda:/dev/xvda:r", text);
  }
  return { PathOnHost: host, PathInContainer: container, CgroupPermissions: access };
}

/** `name=soft[:hard]`; without a hard limit it is the soft one. @throws ThawError INVALID. */
export function ulimitOption(text: string) {
  const [, name = "", soft = "", hard = soft] =
    /^([a-z]+)=(-1|unlimited|\d{1,15})(?::(-1|unlimited|\d{1,15}))?$/.exec(text) ?? [];
  if (name === "") throw bad("--ulimit", "NAME=SOFT[:HARD] such as nofile=1024:2048", text);
  const value = (word: string) => (word === "unlimited" ? -1 : Number(word));
  return { Name: name, Soft: value(soft), Hard: value(hard) };
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
