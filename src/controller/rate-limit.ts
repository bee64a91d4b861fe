import { isIPv6 } from 'node:net';
import { type Ip, ipBytes } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { Rates } from '../model/rates.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * `none`: requests without a query are not counted. `token`: a stranger's that comes too soon is refused when its body shows no
     * right token. A route that does not say so is counted, and refuses at once.
     */
    rate?: 'none' | 'token';
  }
}

/** Whoever was silent for so long may send as many requests at once as it could have sent in that time. */
export const BURST_MS = 20_000;
/** Clients that are remembered; of more, those that have been silent longest have a full allowance again. */
const CLIENTS_MAX = 20_000;

/** Writes a second of a client that shows nothing but what it asks with: a token to join. */
export const UNKNOWN_PER_SECOND = 5;

/**
 * Token buckets, one for each client and sort of request, each kept as one number: the moment at which it would be full
 * again (the generic cell rate algorithm, ITU-T I.371). Cost: one look-up.
 */
export class RateLimit {
  readonly #rates: Rates;
  readonly #now: () => number;
  /** In the order of their last request. */
  readonly #fullAt = new Map<string, number>();

  /** `now` in milliseconds, of a clock that never goes back. */
  constructor(rates: Rates, now: () => number = () => performance.now()) {
    this.#rates = rates;
    this.#now = now;
  }

  /** Counts a request of a client address. @throws RATE_LIMITED; then it is not counted */
  take(address: string, what: keyof Rates): void {
    this.#take(address, what, what, this.#rates[what]);
  }

  /** The same of a write of a client that nobody knows, which is not one of those that it has else. @throws RATE_LIMITED */
  takeUnknown(address: string): void {
    this.#take(address, 'unknown', 'write', Math.min(this.#rates.write, UNKNOWN_PER_SECOND));
  }

  /** @param perSecond 0: any number */
  #take(address: string, sort: string, what: keyof Rates, perSecond: number): void {
    if (perSecond === 0) return;
    const key = `${sort} ${clientOf(address)}`;
    const now = this.#now();
    const fullAt = Math.max(this.#fullAt.get(key) ?? now, now) + 1000 / perSecond;
    const early = fullAt - now - BURST_MS;
    if (early > 0) throw new HeddleError('RATE_LIMITED', { what, perSecond, retryAfterMs: Math.ceil(early) });
    this.#fullAt.delete(key);
    this.#fullAt.set(key, fullAt);
    if (this.#fullAt.size > CLIENTS_MAX) this.#fullAt.delete(this.#fullAt.keys().next().value!);
  }
}

/** Whom an address stands for: all of an IPv6 /64 is one client's to take addresses from. */
export function clientOf(address: string): string {
  const ip = address.replace(/^::ffff:(?=\d+\.)|%.*$/gi, '');
  return isIPv6(ip) ? Buffer.from(ipBytes(ip as Ip).subarray(0, 8)).toString('hex') : ip;
}
