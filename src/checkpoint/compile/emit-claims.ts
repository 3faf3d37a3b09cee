/** What a process holds of its files beside their descriptors, as tables. */
import { LockKind, type LockRecord, OwnerKind, type OwnerRecord } from "./generated/tables.ts";
import type { ProcessImage } from "./process.ts";

export function emitClaims({ locks, owners }: Pick<ProcessImage, "locks" | "owners">): {
  readonly locks: readonly LockRecord[];
  readonly owners: readonly OwnerRecord[];
} {
  return {
    locks: locks.map(({ is, exclusive, ...lock }) => ({ ...lock, kind: LockKind[is], exclusive: exclusive ? 1 : 0 })),
    owners: owners.map(({ is, async, ...owner }) => ({ ...owner, kind: OwnerKind[is], async: async ? 1 : 0 })),
  };
}
