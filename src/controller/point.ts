/** Moments, as clients name them. */
import { HeddleError, hasCode } from '../model/errors.ts';
import type { Moment } from '../model/history.ts';
import type { Store } from '../store/contract.ts';

type History = Pick<Store, 'extent' | 'revisionAt' | 'writtenAt'>;

const unitMs: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const timeForms = 'a time as 2026-01-31T08:00:00Z, or how long ago, as 90m';
/** RFC 3339, with or without fractions of a second. */
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** A time as clients read it. */
export const timeText = (atMs: number | undefined): string | undefined =>
  atMs === undefined ? undefined : new Date(atMs).toISOString();

/** A moment as clients read it. */
export const momentOf = async (store: Pick<Store, 'writtenAt'>, revision: bigint): Promise<Moment> => {
  const at = timeText(await store.writtenAt(revision));
  return { revision: String(revision), ...(at !== undefined && { at }) };
};

/**
 * The revision that a text names: itself, the last one of a time, or the last one of so long ago ("90m").
 * @throws INVALID, REVISION_UNKNOWN, COMPACTED
 */
export async function parsePoint(store: History, field: string, text: string, nowMs: number): Promise<bigint> {
  const { revision: newest, oldest } = await store.extent();
  const atMs = timeOf(text, nowMs);
  if (atMs === undefined) {
    if (!/^\d{1,18}$/.test(text))
      throw new HeddleError('INVALID', {
        field,
        problem: `must be a revision, ${timeForms}`,
      });
    const revision = BigInt(text);
    if (revision > newest) throw new HeddleError('REVISION_UNKNOWN', { revision: text, newest: String(newest) });
    if (revision < oldest) throw await compacted(store, text);
    return revision;
  }
  const revision = await store.revisionAt(atMs);
  if (revision === undefined) throw await compacted(store, new Date(atMs).toISOString());
  return revision;
}

/** Milliseconds since 1970 of a time, or of so long ago ("90m"). @throws INVALID */
export function parseTime(field: string, text: string, nowMs: number): number {
  const atMs = timeOf(text, nowMs);
  if (atMs === undefined) throw new HeddleError('INVALID', { field, problem: `must be ${timeForms}` });
  return atMs;
}

/** The same; undefined for what is no time. */
function timeOf(text: string, nowMs: number): number | undefined {
  const ago = /^(\d{1,9})([smhd])$/.exec(text);
  if (ago) return Math.max(0, nowMs - Number(ago[1]) * unitMs[ago[2]!]!);
  const ms = timePattern.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** The refusal of what is no longer kept, with what is. */
export async function compacted(store: Pick<Store, 'extent'>, revision: string): Promise<HeddleError> {
  const { oldest, oldestAtMs } = await store.extent();
  const oldestAt = oldest === 0n ? undefined : timeText(oldestAtMs);
  return new HeddleError('COMPACTED', {
    revision,
    oldest: String(oldest),
    ...(oldestAt !== undefined && { oldestAt }),
  });
}

/** What a store refuses as compacted, said with its time. */
export const withTime = async (store: Pick<Store, 'extent'>, e: unknown): Promise<unknown> =>
  hasCode(e, 'COMPACTED') ? compacted(store, e.details.revision) : e;
