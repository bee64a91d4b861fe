/** Those who wait for something to come about; whoever changes it says so. */
export class Waiters {
  readonly #looks = new Set<() => void>();

  /** What they wait for may have come about. */
  changed(): void {
    for (const look of this.#looks) look();
  }

  /** What `look` gives as soon as it gives something. @throws the signal's reason */
  until<T>(look: () => T | undefined, signal: AbortSignal): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const abort = (): void => reject(signal.reason as Error);
    const again = (): void => {
      const found = look();
      if (found !== undefined) resolve(found);
    };
    this.#looks.add(again);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    again();
    return promise.finally(() => {
      this.#looks.delete(again);
      signal.removeEventListener('abort', abort);
    });
  }
}
