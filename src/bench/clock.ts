/** The time of day more finely than Date.now() has it, to compare with what other processes of the machine say. */

/**
 * Milliseconds since the epoch, as a function that costs nothing to call. Making it takes up to a millisecond: it waits
 * for the next tick of the clock. Good for some minutes, until the clock is slewed.
 */
export function wallClock(): () => number {
  const before = Date.now();
  let tick = before;
  while (tick === before) tick = Date.now();
  const offset = tick - performance.now();
  return () => offset + performance.now();
}
