/** Work on one name at a time, in the order in which it was asked for. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` after all earlier work of that name has ended, however it ended. */
  run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve();
    const own = before.then(work, work);
    this.#last.set(name, own);
    const forget = () => {
      if (this.#last.get(name) === own) this.#last.delete(name);
    };
    own.then(forget, forget);
    return own;
  }
}
