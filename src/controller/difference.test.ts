import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Batch, Change } from '../store/contract.ts';
import { isOf, pairsBetween } from './difference.ts';

/** A past in which each revision changed one key. */
const storeOf = (...changes: readonly Change[]) => ({
  async *watch(_: string, from: bigint): AsyncGenerator<Batch> {
    for (const [i, change] of changes.entries())
      if (BigInt(i + 1) >= from) yield { revision: BigInt(i + 1), changes: [change] };
    assert.fail('all has been read, and more is waited for');
  },
});
const written = (key: string, name: string | undefined, was?: string): Change => {
  const text = (of: string | undefined) =>
    of === undefined ? undefined : JSON.stringify({ id: key.slice(-2), name: of });
  return { key, value: text(name), previous: text(was) };
};
const stays = new AbortController().signal;
const unreadable = (key: string): Change => ({ key, value: '{', previous: '{' });

it('pairs what was first with what is last, without what came and went in between', async () => {
  const store = storeOf(
    written('/network/t1/n1', 'a', 'before'),
    written('/network/t1/n2', 'short'),
    written('/network/t1/n1', 'after', 'a'),
    written('/network/t1/n2', undefined, 'short'),
    written('/network/t1/n3', 'later'),
  );
  const names = (await pairsBetween(store, 0n, 4n, () => true, stays)).map(({ id, before, after }) => [
    id,
    before?.name,
    after?.name,
  ]);
  assert.deepEqual(names, [['n1', 'before', 'after']]);
  assert.deepEqual(await pairsBetween(store, 4n, 4n, () => true, stays), []);
});

it('reads nothing of other tenants, nor what is no object, but their keys', async () => {
  const store = storeOf(
    unreadable('/network/t2/n1'),
    unreadable('/tenant/-/t2'),
    unreadable('/host/-/h1'),
    unreadable('/claim/vni/1'),
    written('/tenant/-/t1', 'acme'),
    written('/network/t1/n2', 'web'),
  );
  const pairs = await pairsBetween(store, 0n, 6n, (key) => isOf(key, 't1'), stays);
  assert.deepEqual(
    pairs.map(({ kind, scope, id }) => `${kind} ${scope} ${id}`),
    ['tenant - t1', 'network t1 n2'],
  );
});

it('ends in the middle when nobody waits for it any more', async () => {
  const client = new AbortController();
  const changes = Array.from({ length: 1000 }, (_, i) => written(`/network/t1/n${i}`, 'a'));
  let read = 0;
  const store = {
    async *watch(_: string, from: bigint): AsyncGenerator<Batch> {
      for await (const batch of storeOf(...changes).watch(_, from)) {
        if (++read === 100) client.abort();
        yield batch;
      }
    },
  };
  await assert.rejects(
    pairsBetween(store, 0n, 1000n, () => true, client.signal),
    client.signal.reason,
  );
  assert.equal(read, 256, 'it looks when others have their turn');
  // A store that waits ends its watch by itself.
  const waiting = { async *watch(): AsyncGenerator<Batch> {} };
  await assert.rejects(
    pairsBetween(waiting, 0n, 1n, () => true, client.signal),
    client.signal.reason,
  );
});
