/** Keys inside a service's sections, for the word that was meant in place of one that nobody knows. */
import { DEPLOY_KEYS } from "./limits.ts";
import { NOT_YET } from "./schema.ts";

/** The keys that are known inside a service, by where that is. */
export function knownBelow(path: readonly PropertyKey[]): readonly string[] {
  const where = path.filter((part) => typeof part === "string").join(".");
  switch (where) {
    case "build":
      return ["context", "dockerfile", "args"];
    case "ports":
      return ["target", "published", "host_ip", "protocol", "mode"];
    case "volumes":
      return ["type", "source", "target", "read_only", "bind", "volume", "tmpfs"];
    case "devices":
      return ["source", "target", "permissions"];
    case "x-thaw":
      return ["idle", "ready_timeout", "checkpoint", "tier", "reseed"];
    case "x-thaw.checkpoint":
      return ["when", "path", "warmup"];
    default:
      return DEPLOY_KEYS[where]?.known ?? ["log"];
  }
}

/** Those of the compose specification that thaw does not do there. */
export function notYetBelow(path: readonly PropertyKey[]): readonly string[] {
  return path[0] === "build" ? NOT_YET.build : (DEPLOY_KEYS[path.join(".")]?.notYet ?? []);
}
