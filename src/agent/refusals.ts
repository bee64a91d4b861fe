import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import { hasCode } from '../model/errors.ts';
import { type HostRefusal, type HostRefusals, refusalLimits, seenWords } from '../model/refusals.ts';
import { RateLimit } from './dns/limits.ts';
import type { ThisHost } from './this-host.ts';
import { verdictOf } from './verdict.ts';

/** What comes meanwhile is told together; what the controller could not take now is told again. */
const pauseMs = { gather: 1_000, again: 15_000 } as const;
/** Refusals that wait to be told; beyond, and of one who is refused more than this, they are counted: nobody hides another's. */
export const refusalBounds = { waiting: 200, each: { perSecond: 0.2, burst: 20 } } as const;

export interface RefusalParts {
  readonly client: Pick<Client, 'request'>;
  readonly thisHost: Pick<ThisHost, 'ref'>;
  readonly log: Pick<Logger, 'warn'>;
  /** Default: the host's clock. */
  readonly now?: () => Date;
}

/**
 * What this host refuses by itself, on its way into the controller's audit log. It is in the agent's log already, so it waits in
 * memory alone, for as long as the controller is away, and whoever is refused does not wait for it. Told at least once.
 */
export class Refusals implements Disposable {
  readonly #parts: RefusalParts;
  readonly #now: () => Date;
  readonly #each: RateLimit;
  readonly #waiting: HostRefusal[] = [];
  /** Refusals that nobody tells one by one. */
  #more = 0;
  #isOpen = false;
  /** This controller has no ear for it. */
  #isUnheard = false;
  #isTelling = false;
  #timer: NodeJS.Timeout | undefined;
  #said = '';

  constructor(parts: RefusalParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => new Date());
    const { perSecond, burst } = refusalBounds.each;
    this.#each = new RateLimit(perSecond, burst, () => performance.now());
  }

  /** The controller's stream is there. */
  begin(): void {
    this.#isOpen = true;
    this.#isUnheard = false;
    this.#later(pauseMs.gather);
  }

  /** There is none: what is refused waits for the next one. */
  end(): void {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Something was refused. Texts may be anything. */
  note({ who, asked, why, code }: Omit<HostRefusal, 'at'>): void {
    if (this.#isUnheard) return;
    const { whoChars, askedChars, whyChars } = refusalLimits;
    const said = { who: seenWords(who, whoChars), asked: seenWords(asked, askedChars), why: seenWords(why, whyChars) };
    if (this.#waiting.length < refusalBounds.waiting && this.#each.take(said.who))
      this.#waiting.push({ at: this.#now().toISOString(), ...said, code });
    else this.#more++;
    this.#later(pauseMs.gather);
  }

  [Symbol.dispose](): void {
    this.end();
  }

  #later(ms: number): void {
    const isNothing = this.#waiting.length === 0 && this.#more === 0;
    if (isNothing || !this.#isOpen || this.#isTelling) return;
    this.#timer ??= setTimeout(() => void this.#tell(), ms).unref();
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    this.#isTelling = true;
    const items = this.#waiting.slice(0, refusalLimits.items);
    const more = Math.min(this.#more, refusalLimits.more);
    const told: HostRefusals = { items, ...(more > 0 && { more }) };
    const { client, thisHost } = this.#parts;
    let pause: number = pauseMs.gather;
    try {
      await client.request('POST', `/v1/hosts/${encodeURIComponent(thisHost.ref)}/refusals`, { body: told });
      this.#took(told);
    } catch (cause) {
      pause = pauseMs.again;
      this.#failed(told, cause);
    }
    this.#isTelling = false;
    this.#later(pause);
  }

  #took({ items, more = 0 }: HostRefusals): void {
    this.#waiting.splice(0, items.length);
    this.#more -= more;
  }

  /** What the controller does not take is not told again: an older one has no such route. */
  #failed(told: HostRefusals, cause: unknown): void {
    const isLost = ['refused', 'later'].includes(verdictOf(cause));
    if (isLost) this.#took(told);
    if (hasCode(cause, 'ROUTE_UNKNOWN')) {
      this.#isUnheard = true;
      this.#took({ items: this.#waiting, more: this.#more });
    }
    const { message } = cause as Error;
    if (message === this.#said) return;
    this.#said = message;
    const text = isLost ? 'the controller records nothing of this' : 'it is tried again';
    this.#parts.log.warn({ err: cause }, `the controller could not be told what was refused here: ${text}`);
  }
}
