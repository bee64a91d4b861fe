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
const unreadable = (key: string): Change => ({ key, value: '{', previous: '{' });

it('pairs what was first with what is last, without what came and went in between', async () => {
  const store = storeOf(
    written('/network/t1/n1', 'a', 'before'),
    written('/network/t1/n2', 'short'),
    written('/network/t1/n1', 'after', 'a'),
    written('/network/t1/n2', undefined, 'short'),
    written('/network/t1/n3', 'later'),
  );
  const names = (await pairsBetween(store, 0n, 4n, () => true)).map(({ id, before, after }) => [
    id,
    before?.name,
    after?.name,
  ]);
  assert.deepEqual(names, [['n1', 'before', 'after']]);
  assert.deepEqual(await pairsBetween(store, 4n, 4n, () => true), []);
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
  const pairs = await pairsBetween(store, 0n, 6n, (key) => isOf(key, 't1'));
  assert.deepEqual(
    pairs.map(({ kind, scope, id }) => `${kind} ${scope} ${id}`),
    ['tenant - t1', 'network t1 n2'],
  );
});
