/** What one client, one network and all together may ask of the agent, so that nobody starves another. */

/** The numbers; queries that go beyond are dropped (rate) or refused with SERVFAIL (in flight). */
export const clientLimits = {
  /** Queries per second of one address, and how many at once after a pause. */
  perSecond: 500,
  burst: 1_000,
  /** Forwarded and not yet answered: of one address, of one network, of the host. */
  forwardedByClient: 64,
  forwardedByNetwork: 256,
  forwardedByHost: 1_024,
  /** TCP connections of one address, and of a network. */
  connectionsByClient: 16,
  connectionsByNetwork: 256,
} as const;

/** Counts what is under way by key, with a bound for each and one for all. */
export class InFlight {
  readonly #each: number;
  readonly #all: number;
  readonly #counts = new Map<string, number>();
  #total = 0;

  constructor(each: number, all: number) {
    this.#each = each;
    this.#all = all;
  }

  get total(): number {
    return this.#total;
  }
  /** Takes a place; false if there is none. */
  enter(key: string): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count >= this.#each || this.#total >= this.#all) return false;
    this.#counts.set(key, count + 1);
    this.#total += 1;
    return true;
  }
  /** Gives the place back. */
  leave(key: string): void {
    const count = this.#counts.get(key) ?? 0;
    if (count <= 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
    this.#total -= 1;
  }
}

/** A bucket of tokens for each client; a client that has been quiet for a while costs no memory. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();
  #sweptAt: number;

  /** `now` in milliseconds. */
  constructor(perSecond: number, burst: number, now: () => number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#now = now;
    this.#sweptAt = now();
  }

  /** True if the client may ask now. */
  take(client: string): boolean {
    const now = this.#now();
    this.#sweep(now);
    const bucket = this.#buckets.get(client) ?? { tokens: this.#burst, at: now };
    const tokens = Math.min(this.#burst, bucket.tokens + ((now - bucket.at) * this.#perSecond) / 1_000);
    this.#buckets.set(client, { tokens: tokens < 1 ? tokens : tokens - 1, at: now });
    return tokens >= 1;
  }

  /** Forgets buckets that are full again. */
  #sweep(now: number): void {
    const fullMs = (this.#burst / this.#perSecond) * 1_000;
    if (now - this.#sweptAt < fullMs) return;
    this.#sweptAt = now;
    for (const [client, { at }] of this.#buckets) if (now - at >= fullMs) this.#buckets.delete(client);
  }
}
