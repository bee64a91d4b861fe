import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import { type Keep, openRetention } from './retention.ts';

/** A store on a clock, with a write of 100 bytes at each millisecond from 1 on. */
async function openWritten(writes: number) {
  let now = 1;
  const store = await openSqlite(':memory:', () => now);
  for (; now <= writes; now++) await store.txn({ ops: [{ put: { key: '/a', value: 'x'.repeat(98) } }] });
  return store;
}
const keeping = (store: Store, keep: Keep, revision: bigint) =>
  openRetention({
    now: () => new Date(),
    store,
    keep,
    world: { revision },
    onFatal: (cause) => {
      throw cause;
    },
  });
const all = Number.MAX_SAFE_INTEGER;

it('forgets what is older than is to be kept, and nothing that was current within that time', async () => {
  await using store = await openWritten(1000);
  await using retention = keeping(store, { ms: 300, bytes: all }, 1000n);
  await retention.look(1000);
  const { oldest } = await store.extent();
  assert.equal(oldest, 700n);
  await retention.look(900);
  assert.equal((await store.extent()).oldest, oldest, 'a clock that goes back brings nothing back');
  assert.equal(await store.revisionAt(700), 700n);
});

it('forgets the oldest where there is too much', async () => {
  await using store = await openWritten(1000);
  await using retention = keeping(store, { ms: all, bytes: 50_000 }, 1000n);
  await retention.look(1000);
  const { oldest, pastBytes } = await store.extent();
  assert.ok(pastBytes <= 50_000 && pastBytes > 25_000, `${pastBytes} bytes are left`);
  assert.ok(oldest < 1000n);
});

it('forgets nothing that the world has not taken in, and only a little at a time', async () => {
  await using store = await openWritten(1000);
  const steps: bigint[] = [];
  const compact = store.compact.bind(store);
  store.compact = async (revision) => {
    steps.push(revision);
    await compact(revision);
    // A write comes in between, and is not held up.
    await store.txn({ ops: [{ put: { key: '/b', value: '' } }] });
  };
  await using retention = keeping(store, { ms: 1, bytes: 0 }, 900n);
  await retention.look(5000);
  assert.deepEqual(steps, [200n, 400n, 600n, 800n, 900n]);
  assert.equal((await store.extent()).oldest, 900n);
});
