/** Numbers the beginnings and ends of calls, and says the last of what they work on: so a sweep sees that it was worked on. */
export class Touches {
  #last = 0;
  readonly #of = new Map<string, number>();
  /** How many calls are under way on a thing. */
  readonly #running = new Map<string, number>();
  /** Gone, but a call is still under way. */
  readonly #forgotten = new Set<string>();

  /** Differs from an earlier answer if any of the things was worked on in between, or is being worked on now. */
  of(...ids: readonly (string | undefined)[]): number {
    if (ids.some((id) => this.#running.has(id ?? ''))) return ++this.#last;
    return Math.max(0, ...ids.map((id) => this.#of.get(id ?? '') ?? 0));
  }

  async during<T>(ids: readonly string[], work: () => Promise<T>): Promise<T> {
    for (const id of ids) this.#running.set(id, (this.#running.get(id) ?? 0) + 1);
    try {
      return await work();
    } finally {
      for (const id of ids) this.#end(id);
    }
  }

  /** They are gone. */
  forget(id: string): void {
    this.#of.delete(id);
    if (this.#running.has(id)) this.#forgotten.add(id);
  }

  #end(id: string): void {
    const left = (this.#running.get(id) ?? 1) - 1;
    if (left > 0) this.#running.set(id, left);
    else this.#running.delete(id);
    this.#last++;
    // The call that ends a thing ends after it: nothing is to remain of what never comes again.
    if (left <= 0 && this.#forgotten.delete(id)) this.#of.delete(id);
    else this.#of.set(id, this.#last);
  }
}
