/** Those who wait for a container's end. */
import { ThawError } from "../common/errors.ts";
import type { Container } from "./types.ts";

/** Promises of ends, by container. */
export class Waits {
  readonly #waiting = new Map<string, Set<(container: Container) => void>>();

  /** Resolves at the next `settle`. @throws ThawError CANCELLED when `signal` is aborted first. */
  next(id: string, signal?: AbortSignal): Promise<Container> {
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting);
    return new Promise((resolve, reject) => {
      const cancel = () => {
        waiting.delete(settle);
        reject(new ThawError("CANCELLED", "the wait for the container was cancelled"));
      };
      const settle = (container: Container) => {
        signal?.removeEventListener("abort", cancel);
        resolve(container);
      };
      if (signal?.aborted) {
        cancel();
        return;
      }
      waiting.add(settle);
      signal?.addEventListener("abort", cancel, { once: true });
    });
  }

  /** Tells all who wait for this container. */
  settle(container: Container): void {
    const waiting = this.#waiting.get(container.id);
    this.#waiting.delete(container.id);
    for (const settle of waiting ?? []) settle(container);
  }
}
