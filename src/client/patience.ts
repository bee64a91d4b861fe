import { setTimeout as delay } from 'node:timers/promises';
import { hasCode } from '../model/errors.ts';

/** Longest wait that a server may ask for; whoever is asked to wait longer is told so. */
const WAIT_MAX_MS = 5_000;

/**
 * A request that comes too soon after others of this address is repeated, once, when the server says: it was refused
 * before it was looked at, so that a write may be repeated too. @throws what the request does, RATE_LIMITED too
 */
export async function patiently<T>(request: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await request();
  } catch (e) {
    if (!hasCode(e, 'RATE_LIMITED')) throw e;
    const waitMs = Number(e.details.retryAfterMs);
    if (!(waitMs >= 0 && waitMs <= WAIT_MAX_MS)) throw e;
    await delay(waitMs, undefined, signal && { signal }).catch(() => signal?.throwIfAborted());
    return request();
  }
}
