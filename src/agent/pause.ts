/** A wait that somebody may end before its time. */
export class Pause {
  #end: () => void = () => undefined;

  /** Resolves after so many milliseconds, or when it is ended. */
  async wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#end = resolve;
    const timer = setTimeout(resolve, ms);
    await promise;
    clearTimeout(timer);
  }
  /** Ends the wait, if there is one. */
  end(): void {
    this.#end();
  }
}
