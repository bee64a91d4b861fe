interface Waiting {
  readonly shared: boolean;
  readonly start: () => void;
}

/** Who works on what: under one name either one alone, or any number that share it; first come, first served. */
export class Locks {
  readonly #names = new Map<string, { shared: number; alone: boolean; waiting: Waiting[] }>();

  /** Runs when nobody else works under the name. */
  alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#run(name, false, work);
  }
  /** Runs when nobody works under the name alone. */
  shared<T>(name: string, work: () => Promise<T>): Promise<T> {
    return this.#run(name, true, work);
  }

  /** Somebody works under the name, or waits to. */
  busy(name: string): boolean {
    return this.#names.has(name);
  }

  async #run<T>(name: string, shared: boolean, work: () => Promise<T>): Promise<T> {
    const lock = this.#names.get(name) ?? { shared: 0, alone: false, waiting: [] };
    this.#names.set(name, lock);
    const { promise, resolve } = Promise.withResolvers<void>();
    lock.waiting.push({ shared, start: resolve });
    this.#next(name);
    await promise;
    try {
      return await work();
    } finally {
      if (shared) lock.shared--;
      else lock.alone = false;
      this.#next(name);
    }
  }

  /** Starts who may start. */
  #next(name: string): void {
    const lock = this.#names.get(name);
    if (!lock) return;
    for (let first = lock.waiting[0]; first; first = lock.waiting[0]) {
      if (lock.alone || (!first.shared && lock.shared > 0)) return;
      lock.waiting.shift();
      if (first.shared) lock.shared++;
      else lock.alone = true;
      first.start();
    }
    if (!lock.alone && lock.shared === 0) this.#names.delete(name);
  }
}
