/** The longest that an answer holds after it was made, if nobody says otherwise, milliseconds. */
const mostMsDefault = 1_000;
/**
 * An answer holds so many times as long as it took to make: while it costs less than 0.1 s, those who ask have a tenth of the
 * process's time at most. What costs more is made again after the longest.
 */
const holdsTimes = 10;

export interface SharedAnswerOptions {
  /** Default: a second. */
  readonly mostMs?: number;
  /** A clock that never goes back, milliseconds. */
  readonly now?: () => number;
}

/**
 * An answer that costs more than a look, made once for all who ask while it is being made or holds: how often somebody asks
 * does not make the process busy. What was cheap is soon made anew; what could not be made, at once.
 */
export class SharedAnswer<T> {
  readonly #make: () => Promise<T>;
  readonly #mostMs: number;
  readonly #now: () => number;
  #latest: { readonly answer: Promise<T>; until: number } | undefined;

  constructor(
    make: () => Promise<T>,
    { mostMs = mostMsDefault, now = () => performance.now() }: SharedAnswerOptions = {},
  ) {
    this.#make = make;
    this.#mostMs = mostMs;
    this.#now = now;
  }

  /** As it is now, or was a moment ago. @throws what made it throw */
  get(): Promise<T> {
    const began = this.#now();
    if (this.#latest && began < this.#latest.until) return this.#latest.answer;
    const latest = { answer: this.#make(), until: Number.POSITIVE_INFINITY };
    this.#latest = latest;
    const made = () => {
      const ended = this.#now();
      latest.until = ended + Math.min(this.#mostMs, holdsTimes * (ended - began));
    };
    const failed = () => {
      latest.until = began;
    };
    latest.answer.then(made, failed);
    return latest.answer;
  }
}
