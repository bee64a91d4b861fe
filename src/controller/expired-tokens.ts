import type { Kept } from './trust-book.ts';

interface Ending {
  readonly id: string;
  readonly expiresAt: string;
}

/** Most that go with one write. */
const SWEPT_AT_ONCE = 100;

export const isExpired = ({ expiresAt }: Pick<Ending, 'expiresAt'>, now: Date): boolean => new Date(expiresAt) <= now;

/** What takes expired tokens out of the store, whosever they are: it goes with the write of a new one of the same sort. */
export const sweepExpired = (
  tokens: ReadonlyMap<string, Kept<Ending>>,
  keyOf: (id: string) => string,
  now: Date,
): { delete: string }[] =>
  [...tokens.values()]
    .filter(({ record }) => isExpired(record, now))
    .slice(0, SWEPT_AT_ONCE)
    .map(({ record }) => ({ delete: keyOf(record.id) }));
