/** A set of callbacks. One that throws does not keep the others from being called. */

/** Callbacks for values of type `T`, called in the order in which they were added. */
export class Listeners<T> {
  readonly #all = new Set<(value: T) => void>();

  /** Adds a callback. Returns the way to remove it. */
  add(listener: (value: T) => void): () => void {
    const own = (value: T) => listener(value);
    this.#all.add(own);
    return () => {
      this.#all.delete(own);
    };
  }

  emit(value: T): void {
    for (const listener of [...this.#all]) {
      try {
        listener(value);
      } catch (error) {
        console.error("thaw: a listener failed:", error);
      }
    }
  }
}
