/** Devices and limits as people write them, made what the API takes. No schemas here: the command line uses these. */

/** `HOST[:CONTAINER[:rwm]]`, also `HOST:rwm`; undefined when it is something else. */
export function parseDevice(text: string) {
  const parts = text.split(":");
  const [host = "", second = "", third] = parts;
  const isAccess = /^[rwm]{1,3}$/.test(second) && third === undefined;
  const access = isAccess ? second : (third ?? "rwm");
  const container = isAccess || second === "" ? host : second;
  const whole = parts.length <= 3 && host.startsWith("/") && container.startsWith("/") && /^[rwm]{1,3}$/.test(access);
  return whole ? { PathOnHost: host, PathInContainer: container, CgroupPermissions: access } : undefined;
}

/** `name=soft[:hard]`; without a hard limit it is the soft one. Undefined when it is something else. */
export function parseUlimit(text: string) {
  const [, name = "", soft = "", hard = soft] =
    /^([a-z]+)=(-1|unlimited|\d{1,15})(?::(-1|unlimited|\d{1,15}))?$/.exec(text) ?? [];
  const value = (word: string) => (word === "unlimited" ? -1 : Number(word));
  return name === "" ? undefined : { Name: name, Soft: value(soft), Hard: value(hard) };
}
