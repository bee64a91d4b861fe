import { setTimeout as delay } from 'node:timers/promises';
import { type HeddleError, hasCode } from '../model/errors.ts';

/** Longest wait that a server may ask for; whoever is asked to wait longer is told so. */
const WAIT_MAX_MS = 5_000;
/** Waits for a place among those who wait for their turn, in which a large set of documents is written: at most, and half of it at least. */
const placeWaitsMs: readonly number[] = [2_000, 4_000];

/**
 * What was refused before it was looked at is repeated, so that a write may be, too: a request that came too soon after others of
 * this address once, when the server says; one for which there was no place to wait for its turn as often as there are waits.
 * @throws what the request does, RATE_LIMITED and BUSY too
 */
export async function patiently<T>(
  request: () => Promise<T>,
  signal?: AbortSignal,
  waitsMs: readonly number[] = placeWaitsMs,
): Promise<T> {
  const places = [...waitsMs];
  let isTooSoon = false;
  for (;;) {
    try {
      return await request();
    } catch (e) {
      const waitMs = wasNoPlace(e) ? jittered(places.shift()) : isTooSoon ? undefined : tooSoonMs(e);
      if (waitMs === undefined) throw e;
      isTooSoon ||= !wasNoPlace(e);
      await delay(waitMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    }
  }
}

/** Whoever is BUSY after so many tries, or with something written, has been looked at. */
const wasNoPlace = (e: unknown): e is HeddleError<'BUSY'> =>
  hasCode(e, 'BUSY') && !('tries' in e.details) && !('written' in e.details && e.details.written);

/** Several that were refused together do not come again together. */
const jittered = (ms: number | undefined): number | undefined => ms && ms * (0.5 + Math.random() / 2);

function tooSoonMs(e: unknown): number | undefined {
  if (!hasCode(e, 'RATE_LIMITED')) return undefined;
  const waitMs = Number(e.details.retryAfterMs);
  return waitMs >= 0 && waitMs <= WAIT_MAX_MS ? waitMs : undefined;
}
