/** Tests of sandboxes made ahead, which are not made with cgroup v2: there they are skipped, and their names say why. */
import { test } from "bun:test";
import { detectCgroups } from "../../src/sandbox/index.ts";

const v2 = detectCgroups().version === 2;

export function pooledTest(name: string, body: () => Promise<void>): void {
  test.skipIf(v2)(`${name}${v2 ? " (no sandboxes are made ahead with cgroup v2)" : ""}`, body);
}
