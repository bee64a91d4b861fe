/** How long an answer holds if nobody says otherwise, milliseconds. */
const holdsMsDefault = 1_000;

export interface SharedAnswerOptions {
  /** Default: a second. */
  readonly holdsMs?: number;
  /** A clock that never goes back, milliseconds. */
  readonly now?: () => number;
}

/**
 * An answer that costs more than a look, made once for all who ask while it is being made or holds: how often somebody asks
 * does not make the process busy. One that could not be made is asked for anew.
 */
export class SharedAnswer<T> {
  readonly #make: () => Promise<T>;
  readonly #holdsMs: number;
  readonly #now: () => number;
  #latest: { readonly answer: Promise<T>; until: number } | undefined;

  constructor(
    make: () => Promise<T>,
    { holdsMs = holdsMsDefault, now = () => performance.now() }: SharedAnswerOptions = {},
  ) {
    this.#make = make;
    this.#holdsMs = holdsMs;
    this.#now = now;
  }

  /** As it is now, or was so long ago at most. @throws what made it throw */
  get(): Promise<T> {
    if (this.#latest && this.#now() < this.#latest.until) return this.#latest.answer;
    const latest = { answer: this.#make(), until: Number.POSITIVE_INFINITY };
    this.#latest = latest;
    const holds = (ms: number) => () => {
      latest.until = this.#now() + ms;
    };
    latest.answer.then(holds(this.#holdsMs), holds(0));
    return latest.answer;
  }
}
