/** What CRIU measured about a dump: its `stats-dump` image. */
import { type ImageKind, inner, malformed, onlyMessage, varints } from "./small-image.ts";

/** Measured by CRIU itself. */
export interface DumpStats {
  /** How long the processes stood still for the dump, ms. */
  readonly frozenMs: number;
  /** Memory pages written. */
  readonly pagesWritten: number;
}

/** Magics of a service image and of this one. */
const STATS: ImageKind = { name: "stats-dump", magics: [0x55105940, 0x57093306] };

/** Field numbers of CRIU's stats.proto. */
const FIELD = { dump: 1, frozenTime: 2, pagesWritten: 7 } as const;

/**
 * Decodes a `stats-dump` image.
 * @throws ThawError CHECKPOINT_FAILED when it is not one.
 */
export function parseDumpStats(image: Uint8Array): DumpStats {
  const fields = varints(STATS, inner(STATS, onlyMessage(STATS, image), FIELD.dump));
  const frozen = fields.get(FIELD.frozenTime);
  if (frozen === undefined) throw malformed(STATS, "no frozen time in it");
  return { frozenMs: Number(frozen) / 1000, pagesWritten: Number(fields.get(FIELD.pagesWritten) ?? 0n) };
}
