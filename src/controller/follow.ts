import type { Store } from '../store/contract.ts';
import type { World } from './world.ts';

/** Revisions of history kept for watches that come back, and how often older ones are dropped. */
const KEEP_REVISIONS = 100_000n;
const COMPACT_EVERY_MS = 300_000;

/**
 * Loads the world and keeps it following the store until disposed.
 * @param onFatal called if the watch breaks: the world then no longer follows
 */
export async function follow(store: Store, world: World, onFatal: (cause: unknown) => void): Promise<AsyncDisposable> {
  await world.load(store);
  const stop = new AbortController();
  const run = async () => {
    for await (const batch of store.watch('/', world.revision + 1n, stop.signal)) world.apply(batch);
  };
  const done = run().catch(onFatal);
  const compactor = setInterval(() => {
    store.compact(world.revision - KEEP_REVISIONS).catch(onFatal);
  }, COMPACT_EVERY_MS);
  compactor.unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(compactor);
      stop.abort();
      await done;
    },
  };
}
