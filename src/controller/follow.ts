import type { Store } from '../store/contract.ts';
import type { World } from './world.ts';

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
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}
