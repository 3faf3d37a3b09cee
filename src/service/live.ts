/** A service as the daemon knows it now: its row and where in its life it is. */

import { advance, type Life, type LifeEvent } from "./state.ts";
import type { ServiceRow } from "./store.ts";
import type { Service, WakePhases } from "./types.ts";

const MAX_REASONS = 5;

export interface Live {
  row: ServiceRow;
  life: Life;
  /** A process of it waits for a connection. */
  held?: boolean;
  /** When it was woken or made last, ms since the epoch; undefined: not since the daemon was started. */
  usedAt?: number;
}

/** Takes an event into account. Returns whether anything changed that others see. */
export function apply(live: Live, event: LifeEvent): boolean {
  const before = live.life;
  live.life = advance(before, event);
  return live.life.state !== before.state || event.kind === "woke";
}

/** The row after a wake-up: counted, its phases kept, the reason of a fallback remembered. */
export function afterWake(row: ServiceRow, wake: WakePhases, reason: string): ServiceRow {
  const reasons = reason === "" ? row.reasons : remember(row.reasons, reason);
  const fallbacks = row.fallbacks + (wake.result === "restored" ? 0 : 1);
  return { ...row, wakes: row.wakes + 1, wakesSeen: row.wakesSeen + 1, lastWake: wake, reasons, fallbacks };
}

/**
 * The row after the launcher's counter was read: wake-ups that happened while no daemon listened are added. A
 * counter that is lower than before began anew.
 */
export function afterCount(row: ServiceRow, counter: number): ServiceRow {
  const missed = counter >= row.wakesSeen ? counter - row.wakesSeen : counter;
  return { ...row, wakes: row.wakes + missed, wakesSeen: counter };
}

/** The latest reasons, each once. */
export function remember(reasons: readonly string[], reason: string): string[] {
  return [...reasons.filter((known) => known !== reason), reason].slice(-MAX_REASONS);
}

/** @param memoryBytes what its instance's cgroup holds. */
export function describeService({ row, life, held = false }: Live, memoryBytes: number): Service {
  const { id, spec, wakes, engine, reasons, lastWake, fallbacks } = row;
  const tier = row.checkpoint === "" ? "cold" : row.tier;
  const error = life.state === "failed" ? life.error : row.error;
  return {
    id,
    spec,
    state: life.state,
    wakes,
    engine,
    tier,
    waiting: held && life.state === "asleep",
    fallbacks,
    reasons,
    lastWake,
    error,
    memoryBytes,
  };
}
