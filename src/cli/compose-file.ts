/** Which compose file is meant when none is named. */
import { existsSync } from "node:fs";
import { ThawError } from "../common/errors.ts";

const NAMES = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/** The compose file of this directory. @throws ThawError PATH_NOT_FOUND when there is none. */
export function defaultComposeFile(): string {
  const found = NAMES.find((name) => existsSync(name));
  if (found !== undefined) return found;
  throw new ThawError("PATH_NOT_FOUND", `no ${NAMES.join(", ")} in this directory`, { hint: "Name the file with -f." });
}
