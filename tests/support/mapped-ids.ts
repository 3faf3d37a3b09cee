/** Where tests of user namespaces can run: the file system under the temporary directory must be able to map ids. */
import { statfsSync } from "node:fs";
import { release, tmpdir } from "node:os";

/** Magic numbers of linux/magic.h. */
const TMPFS = 0x01021994;
const ABLE: readonly number[] = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010];

/** Why not, as a part of a test's name; "" when they can. */
export function mappedIdsMissing(): string {
  const { type } = statfsSync(tmpdir());
  const [major = 0, minor = 0] = release().split(/[.-]/).map(Number);
  const able = ABLE.includes(type) || (type === TMPFS && (major > 6 || (major === 6 && minor >= 3)));
  return able ? "" : ` (needs ${tmpdir()} on a file system that can map ids)`;
}
