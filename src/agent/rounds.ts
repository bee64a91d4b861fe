import type { Logger } from 'pino';
import { type Code, errors, HeddleError } from '../model/errors.ts';
import { isShutOut, shutOutMs } from './verdict.ts';

/** Waits between rounds while something is left to do: doubled from the first to the last. */
const backoffMs = { first: 500, last: 15_000 } as const;

/** Work that is done in rounds, one at a time; what is not done in one is tried again in another. */
export class Rounds implements Disposable {
  readonly #round: () => Promise<boolean>;
  readonly #log: Logger;
  #next: PromiseWithResolvers<void> | undefined;
  #active = false;
  #timer: NodeJS.Timeout | undefined;
  #waitMs: number = backoffMs.first;
  #ended = false;
  #said = '';
  /** What the round under way leaves for the next one, and why. */
  #postponed: unknown;
  /** What kept the last round from being whole, if it is known. */
  #cause: unknown;

  /** `round`: true if nothing is left to do. */
  constructor(round: () => Promise<boolean>, log: Logger) {
    this.#round = round;
    this.#log = log;
  }

  /** Resolves when a round that began after the call has ended, well or not. */
  run(): Promise<void> {
    this.#next ??= Promise.withResolvers<void>();
    const { promise } = this.#next;
    if (!this.#active) void this.#work();
    return promise;
  }

  /** To be called in a round for what is to be tried again in the next one, while the rest goes on. */
  postpone(cause: unknown): void {
    this.#postponed ??= cause;
  }
  /** Why the controller, which answers, did not take all in the last round. */
  get refusal(): HeddleError | undefined {
    const cause = this.#cause;
    return cause instanceof HeddleError && errors[cause.code as Code].family === 'refused' ? cause : undefined;
  }
  [Symbol.dispose](): void {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#next?.resolve();
  }

  async #work(): Promise<void> {
    this.#active = true;
    clearTimeout(this.#timer);
    // What asks in the same turn shares the round; and whoever asked has its own answer out before.
    await new Promise(setImmediate);
    let whole = true;
    while (this.#next && !this.#ended) {
      const { resolve } = this.#next;
      this.#next = undefined;
      whole = await this.#attempt();
      resolve();
    }
    this.#active = false;
    if (whole) this.#waitMs = backoffMs.first;
    else if (!this.#ended) this.#later();
  }

  async #attempt(): Promise<boolean> {
    this.#postponed = undefined;
    let whole = false;
    try {
      whole = await this.#round();
      this.#cause = this.#postponed;
    } catch (cause) {
      this.#cause = cause;
    }
    const { message = '' } = (this.#cause ?? {}) as Error;
    if (message !== '' && message !== this.#said && !this.#ended)
      this.#log.warn({ err: this.#cause }, 'not done yet; it is tried again');
    this.#said = message;
    return whole && this.#cause === undefined;
  }

  #later(): void {
    const last = isShutOut(this.#cause) ? shutOutMs : backoffMs.last;
    // It may have grown while there was another cause.
    const waitMs = Math.min(this.#waitMs, last);
    this.#timer = setTimeout(() => void this.run(), waitMs).unref();
    this.#waitMs = Math.min(waitMs * 2, last);
  }
}
