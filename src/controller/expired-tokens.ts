import type { Kept } from './trust-book.ts';

interface Ending {
  readonly id: string;
  readonly expiresAt: string;
}

/** Most that go with one write. */
const SWEPT_AT_ONCE = 100;
/** So long they stay, milliseconds: by a clock that was wrong for a moment they have not ended for good. */
const STAY_MS = 30 * 86_400_000;

export const isExpired = ({ expiresAt }: Pick<Ending, 'expiresAt'>, now: Date): boolean => new Date(expiresAt) <= now;

/** What takes tokens out of the store that expired long ago, whosever they are: it goes with the write of a new one of the same sort. */
export const sweepExpired = (
  tokens: ReadonlyMap<string, Kept<Ending>>,
  keyOf: (id: string) => string,
  now: Date,
): { delete: string }[] => {
  const long = new Date(now.getTime() - STAY_MS);
  return [...tokens.values()]
    .filter(({ record }) => isExpired(record, long))
    .slice(0, SWEPT_AT_ONCE)
    .map(({ record }) => ({ delete: keyOf(record.id) }));
};
