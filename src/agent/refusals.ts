import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import { hasCode } from '../model/errors.ts';
import { type HostRefusal, type HostRefusals, refusalLimits, seenWords } from '../model/refusals.ts';
import { RateLimit } from './dns/limits.ts';
import type { ThisHost } from './this-host.ts';
import { verdictOf } from './verdict.ts';

/** What comes meanwhile is told together; what the controller could not take now is told again. */
const pauseMs = { gather: 1_000, again: 15_000 } as const;
/**
 * Refusals that wait to be told; beyond, the newest of whoever has most of them is counted instead, and so is what one is refused
 * more often than this. So one name hides nothing of another's. Who has 200 names can hide what comes after them.
 */
export const refusalBounds = { waiting: 200, each: { perSecond: 0.2, burst: 20 } } as const;

export interface RefusalParts {
  readonly client: Pick<Client, 'request'>;
  readonly thisHost: Pick<ThisHost, 'ref'>;
  readonly log: Pick<Logger, 'warn'>;
  /** Default: the host's clock. */
  readonly now?: () => Date;
  /** Milliseconds, of a clock that never goes back. */
  readonly elapsed?: () => number;
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
  /** So many of those that wait, from the first on, are being told. */
  #telling: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #said = '';

  constructor(parts: RefusalParts) {
    this.#parts = parts;
    this.#now = parts.now ?? (() => new Date());
    const { perSecond, burst } = refusalBounds.each;
    this.#each = new RateLimit(perSecond, burst, parts.elapsed ?? (() => performance.now()));
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
    if (this.#each.take(said.who)) this.#waiting.push({ at: this.#now().toISOString(), ...said, code });
    else this.#more++;
    if (this.#waiting.length > refusalBounds.waiting) this.#countOne();
    this.#later(pauseMs.gather);
  }

  [Symbol.dispose](): void {
    this.end();
  }

  /** Instead of the newest of whoever has most that wait. */
  #countOne(): void {
    const counts = new Map<string, number>();
    const free = this.#waiting.slice(this.#telling);
    for (const { who } of free) counts.set(who, (counts.get(who) ?? 0) + 1);
    const most = Math.max(...counts.values());
    this.#waiting.splice(
      this.#waiting.findLastIndex(({ who }) => counts.get(who) === most),
      1,
    );
    this.#more++;
  }

  #later(ms: number): void {
    const isNothing = this.#waiting.length === 0 && this.#more === 0;
    if (isNothing || !this.#isOpen || this.#telling !== undefined) return;
    this.#timer ??= setTimeout(() => void this.#tell(), ms).unref();
  }

  async #tell(): Promise<void> {
    this.#timer = undefined;
    const items = this.#waiting.slice(0, refusalLimits.items);
    this.#telling = items.length;
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
    this.#telling = undefined;
    this.#later(pause);
  }

  #took({ items, more = 0 }: HostRefusals): void {
    this.#waiting.splice(0, items.length);
    this.#more -= more;
  }

  /** What the controller does not take is not told again, at most how many: one item that is none to it may be in the way of all. */
  #failed(told: HostRefusals, cause: unknown): void {
    const isLost = ['refused', 'later'].includes(verdictOf(cause));
    const isCounted = hasCode(cause, 'INVALID') && told.items.length > 0;
    if (isLost) this.#took(told);
    if (isCounted) this.#more += told.items.length + (told.more ?? 0);
    if (hasCode(cause, 'ROUTE_UNKNOWN')) {
      this.#isUnheard = true;
      this.#took({ items: this.#waiting, more: this.#more });
    }
    const { message } = cause as Error;
    if (message === this.#said) return;
    this.#said = message;
    const lost = isCounted ? 'it is told how much it was' : 'it records nothing of this';
    const text = isLost ? lost : 'it is tried again';
    this.#parts.log.warn({ err: cause }, `the controller could not be told what was refused here: ${text}`);
  }
}
