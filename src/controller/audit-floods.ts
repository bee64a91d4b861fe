import type { Who } from '../model/audit.ts';
import { clientOf } from './rate-limit.ts';

/**
 * Refusals of one source, and of all, that are recorded one by one: so many at once, and so many a second for ever. Those of
 * nobody are counted apart, so that they hide nothing of who is known.
 */
export const floodBounds = {
  source: { atOnce: 200, perSecond: 2 },
  all: { atOnce: 2000, perSecond: 20 },
} as const;
/** Sources that are told apart; all others count as one. */
const SOURCES_MAX = 256;

/** Refusals of one source that were not recorded. */
export interface Unrecorded {
  /** Undefined: of many. */
  readonly who: Who | undefined;
  readonly from: string | undefined;
  count: number;
  readonly since: Date;
  until: Date;
}

interface Bucket {
  /** When it is full again, milliseconds (the generic cell rate algorithm, as in RateLimit). */
  fullAtMs: number;
}

/** Keeps refusals from filling the log, and counts those that are not recorded. */
export class Floods {
  readonly #now: () => Date;
  /** In the order of their last refusal. */
  readonly #sources = new Map<string, Bucket>();
  readonly #all = { known: { fullAtMs: 0 }, nobody: { fullAtMs: 0 } };
  #unrecorded = new Map<string, Unrecorded>();

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** Whether a refusal of a source is to be recorded; else it is counted. Cost: one look-up. */
  admits(who: Who, from: string): boolean {
    const source = sourceOf(who, from);
    const bucket = this.#sources.get(source) ?? { fullAtMs: 0 };
    this.#sources.delete(source);
    this.#sources.set(source, bucket);
    if (this.#sources.size > SOURCES_MAX) this.#sources.delete(this.#sources.keys().next().value!);
    const now = this.#now();
    const own = fullAfter(bucket, floodBounds.source, now);
    const everybody = this.#all[who.kind === 'nobody' ? 'nobody' : 'known'];
    const all = fullAfter(everybody, floodBounds.all, now);
    const admitted = own !== undefined && all !== undefined;
    if (admitted) [bucket.fullAtMs, everybody.fullAtMs] = [own, all];
    else this.count(who, from, 1);
    return admitted;
  }

  /** What was not recorded since the last call. */
  taken(): Unrecorded[] {
    const taken = [...this.#unrecorded.values()];
    this.#unrecorded = new Map();
    return taken;
  }

  /** So many refusals of a source are not recorded one by one. */
  count(who: Who, from: string, count: number): void {
    const [source, now] = [sourceOf(who, from), this.#now()];
    const isOne = this.#unrecorded.has(source) || this.#unrecorded.size < SOURCES_MAX;
    const key = isOne ? source : '';
    const had = this.#unrecorded.get(key);
    const of = isOne ? { who, from } : { who: undefined, from: undefined };
    if (had) Object.assign(had, { count: had.count + count, until: now });
    else this.#unrecorded.set(key, { ...of, count, since: now, until: now });
  }
}

const sourceOf = (who: Who, from: string): string => `${who.kind} ${who.name ?? ''} ${clientOf(from)}`;

type Bound = (typeof floodBounds)['source' | 'all'];

/** When it is full again if one more is taken out; undefined if there is none. A clock that was set back empties it at most. */
function fullAfter(bucket: Bucket, { atOnce, perSecond }: Bound, now: Date): number | undefined {
  const [nowMs, eachMs] = [now.getTime(), 1000 / perSecond];
  const emptyMs = nowMs + atOnce * eachMs;
  bucket.fullAtMs = Math.min(Math.max(bucket.fullAtMs, nowMs), emptyMs);
  const next = bucket.fullAtMs + eachMs;
  return next <= emptyMs ? next : undefined;
}
