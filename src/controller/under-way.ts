/** The keys that writes under way in this process take: who looks for a free one passes over them. */
export class UnderWay {
  readonly #keys = new Set<string>();
  #apart: { readonly own: ReadonlySet<string>; readonly others: Set<string> } | undefined;

  readonly has = (key: string): boolean =>
    this.#keys.has(key) || this.#apart?.own.has(key) === true || this.#apart?.others.has(key) === true;

  /** Writes what takes these keys. */
  async during<T>(keys: Iterable<string>, write: () => Promise<T>): Promise<T> {
    const taken = [...keys];
    for (const key of taken) {
      this.#keys.add(key);
      this.#apart?.others.add(key);
    }
    try {
      return await write();
    } finally {
      for (const key of taken) this.#keys.delete(key);
    }
  }

  /**
   * Does what decides for long on a copy of the world, one at a time: it and others are given different keys as long as it lasts.
   * @param own grows by the keys that it takes
   */
  async apart<T>(own: ReadonlySet<string>, work: () => Promise<T>): Promise<T> {
    this.#apart = { own, others: new Set(this.#keys) };
    try {
      return await work();
    } finally {
      this.#apart = undefined;
    }
  }
}
