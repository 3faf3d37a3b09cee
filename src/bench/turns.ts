/** Work that several do at a time. */

/**
 * Does something with each, so many at a time; results in the order in which they came. When one fails, those under way
 * are waited for and no further one is begun.
 */
export async function inTurns<T, R>(
  all: Iterable<T>,
  atOnce: number,
  signal: AbortSignal,
  act: (one: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = [];
  const queue = Iterator.from(all);
  let failed = false;
  const work = async () => {
    for (const one of queue) {
      if (failed) return;
      try {
        signal.throwIfAborted();
        results.push(await act(one));
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: atOnce }, work));
  for (const worker of workers) if (worker.status === "rejected") throw worker.reason;
  return results;
}
