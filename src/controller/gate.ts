import { HeddleError } from '../model/errors.ts';

/**
 * Most that wait. Each holds a body of up to 8 MiB, and takes up to some seconds: who came as the ninth would not have its
 * answer within the minute for which clients wait.
 */
const WAITING = 8;

/** Lets in one at a time, in the order in which they came; of one principal one waits, so that nobody takes all places. */
export class Gate {
  #isTaken = false;
  /** By what lets it in: who it is. */
  readonly #waiting = new Map<() => void, string | undefined>();

  /**
   * Does the work when all that came before is done; not at all, if whoever it is for goes before.
   * @param who its name; without one it may take any number of places
   * @throws BUSY; the signal's reason
   */
  async pass<T>(gone: AbortSignal, work: () => Promise<T>, who?: string): Promise<T> {
    gone.throwIfAborted();
    if (this.#isTaken) await this.#turn(gone, who);
    this.#isTaken = true;
    try {
      return await work();
    } finally {
      const [next] = this.#waiting.keys();
      this.#isTaken = next !== undefined;
      if (next) this.#waiting.delete(next);
      next?.();
    }
  }

  async #turn(gone: AbortSignal, who: string | undefined): Promise<void> {
    if (who !== undefined && [...this.#waiting.values()].includes(who)) throw new HeddleError('BUSY', { who });
    if (this.#waiting.size >= WAITING) throw new HeddleError('BUSY', { waiting: this.#waiting.size });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const leave = () => {
      this.#waiting.delete(resolve);
      reject(gone.reason as Error);
    };
    gone.addEventListener('abort', leave);
    this.#waiting.set(resolve, who);
    await promise.finally(() => gone.removeEventListener('abort', leave));
  }
}
