/** Amazon's session tokens (IMDSv2): nothing is kept of them. */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { PortId } from '../../model/ids.ts';

/** As long as a token may hold, seconds. */
const ttlMax = 21_600;

/** Makes and knows tokens; those of an agent before are unknown, and clients that are told so ask for new ones. */
export class Tokens {
  readonly #key = randomBytes(32);
  readonly #now: () => number;

  /** `now` in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** A token for a port that holds for so many seconds, from text; undefined if that is no number of 1 to 21,600. */
  issue(port: PortId, seconds: string | undefined): string | undefined {
    if (seconds === undefined || !/^\d{1,5}$/.test(seconds) || Number(seconds) < 1 || Number(seconds) > ttlMax)
      return undefined;
    const until = Math.ceil(this.#now() / 1_000) + Number(seconds);
    return `${until.toString(36)}.${this.#sign(port, until).toString('base64url')}`;
  }

  /** True if it is this port's, and still holds. */
  accepts(port: PortId, token: string): boolean {
    const [text = '', signature = '', ...rest] = token.split('.');
    const until = Number.parseInt(text, 36);
    if (rest.length > 0 || !(until * 1_000 > this.#now())) return false;
    const given = Buffer.from(signature, 'base64url');
    const made = this.#sign(port, until);
    return given.length === made.length && timingSafeEqual(given, made);
  }

  #sign(port: PortId, until: number): Buffer {
    return createHmac('sha256', this.#key).update(`${port} ${until}`).digest();
  }
}
