import { growthPrefix, vniCursorKey } from './keys.ts';

/** Work that would only get in each other's way waits for each other, by what it is about. */
export class Turns {
  /** By key: settles when the last one that asked for it is done. */
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * Does the work when all that came before with one of the keys is done. The keys are taken one after the other: quotas come
   * first, so that no two wait for each other.
   */
  take<T>([key, ...rest]: readonly string[], work: () => Promise<T>): Promise<T> {
    if (key === undefined) return work();
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(() => this.take(rest, work));
    // What it fails with is its caller's, not the next one's.
    const done = Promise.allSettled([turn]).then(() => {
      if (this.#last.get(key) === done) this.#last.delete(key);
    });
    this.#last.set(key, done);
    return turn;
  }
}

/** The turn of those who make a tenant's use grow that has a limit. */
export const quotaTurn = (tenant: string): string => `quota/${tenant}`;
/** The turn of those who take the next number. */
export const vniTurn = 'vni';

/** The turns of all who write one of these keys, as they are to be taken. */
export function turnsOf(keys: readonly string[]): string[] {
  const quotas = keys
    .filter((key) => key.startsWith(growthPrefix))
    .map((key) => quotaTurn(key.slice(growthPrefix.length).split('/')[0]!));
  return [...new Set(quotas.sort()), ...(keys.includes(vniCursorKey) ? [vniTurn] : [])];
}
