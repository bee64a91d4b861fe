/** When routers speak unasked (RFC 4861 §6.2.4): now and then, with jitter, and soon after something changed. */

/** Milliseconds. An advertisement holds for 15 times the longest interval. */
const interval = { min: 450_000, max: 600_000 } as const;
const SOON_MS = 1_000;
/** Between the end of one round and the next at least. */
const GAP_MS = 3_000;
/** So many are told at once, and then none for so long: thousands behind a segment are no storm, and others have their turn. */
const pace = { atOnce: 64, pauseMs: 100 } as const;

/** Tells everybody, in rounds, until it is disposed. */
export class Announcer<T> implements Disposable {
  readonly #everybody: () => Iterable<T>;
  readonly #tell: (one: T) => void;
  readonly #random: () => number;
  #spokenAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** Another round is wanted soon. */
  #hurries = false;
  /** Those who are yet to be told in this round. */
  #left: readonly T[] = [];

  /** `everybody` is asked when a round begins; `random` gives numbers from 0 to 1. */
  constructor(everybody: () => Iterable<T>, tell: (one: T) => void, random: () => number = Math.random) {
    this.#everybody = everybody;
    this.#tell = tell;
    this.#random = random;
    this.#wait();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
  }

  /** Within a second: something changed that everybody should hear of, or nobody has spoken for a long time. */
  soon(): void {
    if (this.#hurries) return;
    this.#hurries = true;
    if (this.#left.length === 0) this.#wait();
  }

  /** For the next round. */
  #wait(): void {
    const { min, max } = interval;
    const quiet = Math.max(this.#spokenAt + GAP_MS - performance.now(), 0);
    const ms = this.#hurries ? quiet + this.#random() * SOON_MS : min + this.#random() * (max - min);
    this.#in(ms, () => {
      this.#hurries = false;
      this.#left = [...this.#everybody()];
      this.#speak();
    });
  }

  #speak(): void {
    const now = this.#left.slice(0, pace.atOnce);
    this.#left = this.#left.slice(pace.atOnce);
    this.#spokenAt = performance.now();
    if (this.#left.length > 0) this.#in(pace.pauseMs, () => this.#speak());
    else this.#wait();
    for (const one of now) this.#tell(one);
  }

  #in(ms: number, then: () => void): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(then, ms).unref();
  }
}
