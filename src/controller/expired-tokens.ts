import type { Kept } from './trust-book.ts';

interface Ending {
  readonly id: string;
  readonly expiresAt: string;
}

/** Most that go with one write. */
const SWEPT_AT_ONCE = 100;
/** So long they stay, milliseconds: by a clock that was wrong for a moment they have not ended for good. */
const STAY_MS = 30 * 86_400_000;

/** Those among which one that is made counts: as many as may be good at a time are kept of them when they have ended. */
interface Like<E> {
  readonly isLike: (record: E) => boolean;
  readonly most: number;
}

export const isExpired = ({ expiresAt }: Pick<Ending, 'expiresAt'>, now: Date): boolean => new Date(expiresAt) <= now;

/**
 * What takes tokens out of the store with the write of a new one: those that expired long ago, whosever they are, and those like the
 * new one that are too many.
 */
export function sweepExpired<E extends Ending>(
  tokens: ReadonlyMap<string, Kept<E>>,
  keyOf: (id: string) => string,
  now: Date,
  { isLike, most }: Like<E>,
): { delete: string }[] {
  const long = new Date(now.getTime() - STAY_MS);
  const ended = [...tokens.values()].map(({ record }) => record).filter((record) => isExpired(record, now));
  const old = ended.filter((record) => isExpired(record, long));
  const beyond = ended
    .filter(isLike)
    .sort((a, b) => (a.expiresAt < b.expiresAt ? 1 : -1))
    .slice(most);
  return [...new Set([...old, ...beyond])].slice(0, SWEPT_AT_ONCE).map(({ id }) => ({ delete: keyOf(id) }));
}
