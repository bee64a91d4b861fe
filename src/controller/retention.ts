import { setImmediate } from 'node:timers/promises';
import type { Store } from '../store/contract.ts';
import { Forgetting } from './forgetting.ts';

/** How much history is kept, besides the present. */
export interface Keep {
  /** What was at any moment of so long can still be read, milliseconds. */
  readonly ms: number;
  /** So many bytes of keys and values of the past at most: then the oldest go earlier. */
  readonly bytes: number;
}

/** A month, and what a small disk bears. */
export const keepDefault: Keep = { ms: 30 * 86_400_000, bytes: 256 << 20 };

/** Revisions that one step forgets: requests have their turn between two. */
const STEP = 200n;

interface RetentionOptions {
  readonly store: Pick<Store, 'extent' | 'revisionAt' | 'compact'>;
  /** What has been taken in: what comes later is not forgotten, however little is kept. */
  readonly world: { readonly revision: bigint };
  readonly keep: Keep;
  /** Told after a look of what it has forgotten: revisions from one up to, and without, another. */
  readonly tell?: (from: bigint, to: bigint) => Promise<void>;
  readonly now: () => Date;
  readonly onFatal: (cause: unknown) => void;
}

/** Forgets history that is too old or too much, a little at a time. */
export const openRetention = (options: RetentionOptions): Forgetting =>
  new Forgetting((nowMs, ended) => forget(options, nowMs, ended), options);

async function forget({ store, world, keep, tell }: RetentionOptions, nowMs: number, ended: AbortSignal) {
  const old = (await store.revisionAt(nowMs - keep.ms)) ?? 0n;
  const { oldest: before } = await store.extent();
  for (;;) {
    const { oldest, pastBytes } = await store.extent();
    const isMuch = pastBytes > keep.bytes;
    const most = isMuch || old > world.revision ? world.revision : old;
    if (ended.aborted || oldest >= most) return oldest > before ? tell?.(before, oldest) : undefined;
    await store.compact(oldest + STEP < most ? oldest + STEP : most);
    await setImmediate();
  }
}
