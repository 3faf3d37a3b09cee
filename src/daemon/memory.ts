/** How much memory the daemon needs, as far as it can tell: garbage that nobody has collected yet is no need. */
import { heapStats } from "bun:jsc";
import type { DaemonMemory } from "../api/thaw.ts";

/** Collects all garbage first, which takes some ten milliseconds in which nothing else is done. */
export function heldMemory(): DaemonMemory {
  Bun.gc(true);
  const { heapSize, objectCount } = heapStats();
  return { rssBytes: process.memoryUsage.rss(), heapBytes: heapSize, objects: objectCount };
}
