/** What every store driver must do: a driver's test calls `storeContract` with how to open an empty store. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../model/errors.ts';
import type { Batch, Compare, Entry, Op, Store } from './contract.ts';
import { ModelStore } from './model-store.ts';

/** Opens an empty store on a clock. */
type Open = (now?: () => number) => Promise<Store>;

export function storeContract(name: string, open: Open): void {
  describe(`store contract: ${name}`, () => {
    basics(open);
    watching(open);
    remembering(open);
    compacting(open);
    random(open);
  });
}

const put = (key: string, value: string): Op => ({ put: { key, value } });

function basics(open: Open): void {
  it('counts a revision for each transaction that changes something', async () => {
    await using store = await open();
    assert.deepEqual(await store.txn({ ops: [put('/a', '1'), put('/b', '1')] }), { committed: true, revision: 1n });
    assert.deepEqual(await store.txn({ ops: [put('/a', '2')] }), { committed: true, revision: 2n });
    assert.deepEqual(await store.txn({ ops: [{ delete: '/none' }] }), { committed: true, revision: 2n });
    assert.deepEqual(await store.get('/a'), { key: '/a', value: '2', createRevision: 1n, modRevision: 2n });
    await store.txn({ ops: [{ delete: '/a' }] });
    assert.equal(await store.get('/a'), undefined);
    await store.txn({ ops: [put('/a', '3')] });
    assert.equal((await store.get('/a'))?.createRevision, 4n);
  });

  it('writes nothing if one condition fails, and says which', async () => {
    await using store = await open();
    await store.txn({ ops: [put('/p/a', '1')] });
    const failing: Compare[] = [
      { key: '/p/a', modRevision: 7n },
      { key: '/p/a', modRevision: 0n },
      { key: '/p/a', exists: false },
      { key: '/q', exists: true },
      { prefix: '/p/', empty: true },
      { prefix: '/p/', quietSince: 0n },
    ];
    for (const compare of failing) {
      const txn = { compare: [{ prefix: '/q', empty: true } as const, compare], ops: [put('/z', '1')] };
      assert.deepEqual(await store.txn(txn), { committed: false, failed: 1, revision: 1n });
    }
    assert.equal(await store.get('/z'), undefined);
    const holding: Compare[] = [
      { key: '/p/a', modRevision: 1n },
      { key: '/q', modRevision: 0n },
      { key: '/p/a', exists: true },
      { prefix: '/q', empty: true },
      { prefix: '/p/', quietSince: 1n },
    ];
    assert.equal((await store.txn({ compare: holding, ops: [put('/z', '1')] })).committed, true);
  });

  it('refuses a transaction that writes a key twice', async () => {
    await using store = await open();
    await assert.rejects(store.txn({ ops: [put('/a', '1'), { delete: '/a' }] }));
    assert.equal(await store.get('/a'), undefined);
  });

  it('pages through a range in key order, at one revision', async () => {
    await using store = await open();
    for (const n of [3, 1, 2, 5, 4]) await store.txn({ ops: [put(`/k/${n}`, String(n))] });
    await store.txn({ ops: [put('/l', 'x')] });
    const first = await store.range('/k/', { limit: 2 });
    assert.deepEqual(keys(first.entries), ['/k/1', '/k/2']);
    await store.txn({ ops: [{ delete: '/k/4' }, put('/k/3', 'new')] });
    const rest = await store.range('/k/', { after: '/k/2', revision: first.revision });
    assert.deepEqual(keys(rest.entries), ['/k/3', '/k/4', '/k/5']);
    assert.equal(rest.entries[0]?.value, '3');
    assert.deepEqual(keys((await store.range('/k/')).entries), ['/k/1', '/k/2', '/k/3', '/k/5']);
  });
}

function watching(open: Open): void {
  it('watches from a past revision through the present without a gap', async () => {
    await using store = await open();
    await store.txn({ ops: [put('/a', '1')] });
    await store.txn({ ops: [put('/a', '2'), put('/other', 'x')] });
    const seen = collect(store, '/a', 1n, 4);
    await store.txn({ ops: [put('/other', 'y')] });
    await store.txn({ ops: [put('/a', '3'), put('/ab', '1')] });
    await store.txn({ ops: [{ delete: '/a' }] });
    assert.deepEqual(await seen, [
      { revision: 1n, changes: [{ key: '/a', value: '1', previous: undefined }] },
      { revision: 2n, changes: [{ key: '/a', value: '2', previous: '1' }] },
      {
        revision: 4n,
        changes: [
          { key: '/a', value: '3', previous: '2' },
          { key: '/ab', value: '1', previous: undefined },
        ],
      },
      { revision: 5n, changes: [{ key: '/a', value: undefined, previous: '3' }] },
    ]);
  });

  it('ends a watch when its signal aborts or the store closes', async () => {
    const store = await open();
    const stop = new AbortController();
    const aborted = collect(store, '/', 1n, 1, stop.signal);
    const closed = collect(store, '/', 2n, 1);
    stop.abort();
    assert.deepEqual(await aborted, []);
    await store.txn({ ops: [put('/a', '1')] });
    assert.deepEqual(await collect(store, '/', 1n, 1, stop.signal), [], 'aborted before, with something to read');
    await store[Symbol.asyncDispose]();
    assert.deepEqual(await closed, []);
  });

  it('misses no commit, at whatever moment of the watch it comes', async () => {
    await using store = await open();
    for (let turns = 0; turns < 12; turns++) {
      const { revision } = await store.range('/');
      const seen = collect(store, '/', revision + 1n, 1);
      for (let i = 0; i < turns; i++) await null;
      await store.txn({ ops: [put('/a', String(turns))] });
      assert.equal((await seen)[0]?.revision, revision + 1n);
    }
  });

  it('gives a transaction of many keys as one batch', async () => {
    await using store = await open();
    const ops = Array.from({ length: 2_500 }, (_, i) => put(`/k/${i}`, 'x'));
    await store.txn({ ops: [put('/k/first', 'x')] });
    await store.txn({ ops });
    await store.txn({ ops: [put('/k/last', 'x')] });
    const sizes = (await collect(store, '/k/', 1n, 3)).map((b) => b.changes.length);
    assert.deepEqual(sizes, [1, 2_500, 1]);
  });
}

function remembering(open: Open): void {
  it('gives the versions of a key, the newest first, with their times', async () => {
    let now = 1000;
    await using store = await open(() => now++);
    for (const value of ['1', '2']) await store.txn({ ops: [put('/a', value), put('/ab', 'other')] });
    await store.txn({ ops: [{ delete: '/a' }] });
    await store.txn({ ops: [put('/a', '3')] });
    const versions = [
      { revision: 4n, value: '3', atMs: 1003 },
      { revision: 3n, value: undefined, atMs: 1002 },
      { revision: 2n, value: '2', atMs: 1001 },
      { revision: 1n, value: '1', atMs: 1000 },
    ];
    assert.deepEqual(await store.versions('/a'), versions);
    assert.deepEqual(await store.versions('/a', { before: 4n, limit: 2 }), versions.slice(1, 3));
    assert.deepEqual(await store.versions('/none'), []);
    await store.compact(2n);
    assert.deepEqual(await store.versions('/a'), versions.slice(0, 3));
    await store.compact(3n);
    assert.deepEqual(await store.versions('/a'), versions.slice(0, 1));
  });

  it('never writes a revision earlier than the one before, and finds the last one of a time', async () => {
    const clock = [100, 300, 200, 300, 500];
    await using store = await open(() => clock.shift()!);
    for (const n of [1, 2, 3, 4, 5]) await store.txn({ ops: [put('/a', String(n))] });
    const times = await Promise.all([1n, 2n, 3n, 4n, 5n].map((r) => store.writtenAt(r)));
    assert.deepEqual(times, [100, 300, 300, 300, 500]);
    const at = (ms: number) => store.revisionAt(ms);
    assert.deepEqual(await Promise.all([0, 99, 100, 299, 300, 499, 500, 9999].map(at)), [
      ...[0n, 0n, 1n, 1n, 4n, 4n, 5n, 5n],
    ]);
    await store.compact(2n);
    assert.deepEqual(await Promise.all([100, 299, 300, 499].map(at)), [undefined, undefined, 4n, 4n]);
    await assert.rejects(store.writtenAt(1n), (e) => hasCode(e, 'COMPACTED'));
    assert.equal(await store.writtenAt(2n), 300);
  });

  it('counts what is kept besides the present, and nothing else', async () => {
    let now = 0;
    await using store = await open(() => now++);
    const past = async () => (await store.extent()).pastBytes;
    await store.txn({ ops: [put('/a', 'é'), put('/b', '')] });
    assert.deepEqual(await store.extent(), { revision: 1n, oldest: 0n, oldestAtMs: 0, pastBytes: 0 });
    await store.txn({ ops: [put('/a', '22')] });
    assert.equal(await past(), 4);
    await store.txn({ ops: [{ delete: '/a' }, { delete: '/none' }] });
    assert.equal(await past(), 4 + 4 + 2);
    await store.compact(2n);
    assert.deepEqual(await store.extent(), { revision: 3n, oldest: 2n, oldestAtMs: 1, pastBytes: 6 });
    await store.compact(3n);
    assert.equal(await past(), 0);
  });
}

function compacting(open: Open): void {
  it('refuses what is compacted, and keeps all that is not', async () => {
    await using store = await open();
    for (const n of [1, 2, 3, 4]) await store.txn({ ops: [put('/a', String(n)), put(`/k${n}`, '')] });
    await store.txn({ ops: [{ delete: '/k1' }] });
    await store.compact(3n);
    await assert.rejects(
      store.range('/', { revision: 2n }),
      (e) => hasCode(e, 'COMPACTED') && e.details.oldest === '3',
    );
    await assert.rejects(collect(store, '/', 3n, 1), (e) => hasCode(e, 'COMPACTED'));
    assert.deepEqual(keys((await store.range('/', { revision: 3n })).entries), ['/a', '/k1', '/k2', '/k3']);
    const [first] = await collect(store, '/a', 4n, 1);
    assert.deepEqual(first, { revision: 4n, changes: [{ key: '/a', value: '4', previous: '3' }] });
    await store.compact(5n);
    assert.deepEqual(keys((await store.range('/', { revision: 5n })).entries), ['/a', '/k2', '/k3', '/k4']);
  });
}

function random(open: Open): void {
  const key = fc.constantFrom('/a', '/a/1', '/a/2', '/b', '/b/1', '/c');
  const op = fc.oneof(
    fc.record({ put: fc.record({ key, value: fc.string({ maxLength: 3 }) }) }),
    fc.record({ delete: key }),
  );
  const compare = fc.oneof(
    fc.record({ key, exists: fc.boolean() }),
    fc.record({ key, modRevision: fc.bigInt(0n, 6n) }),
    fc.record({ prefix: fc.constantFrom('/a/', '/c', '/b'), empty: fc.constant(true as const) }),
    fc.record({ prefix: fc.constantFrom('/a/', '/c', '/b'), quietSince: fc.bigInt(0n, 6n) }),
  );
  const keyOf = (o: Op): string => ('put' in o ? o.put.key : o.delete);
  const txn = fc.record({
    compare: fc.array(compare, { maxLength: 2 }),
    ops: fc.uniqueArray(op, { selector: keyOf, maxLength: 4 }),
  });
  it('answers any sequence of transactions, ranges and watches as the model does', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(txn, { maxLength: 20 }), fc.nat(20), fc.nat(20), async (txns, from, at) => {
        let now = 0;
        await using store = await open(() => now);
        const model = new ModelStore();
        for (const [i, t] of txns.entries()) {
          now = 10 * (i - (i % 3));
          assert.deepEqual(await store.txn(t), model.txn(t, now));
          const at = Math.max(0, now - 5);
          assert.equal(await store.revisionAt(at), model.revisionAt(at));
        }
        for (const k of ['/a', '/a/1', '/b']) assert.deepEqual(await store.versions(k), model.versions(k));
        const revision = BigInt(Math.min(at, Number(model.revision)));
        for (const prefix of ['/', '/a/', '/b']) {
          assert.deepEqual((await store.range(prefix)).entries, model.range(prefix, model.revision));
          assert.deepEqual((await store.range(prefix, { revision })).entries, model.range(prefix, revision));
          const expected = model.batches(prefix, BigInt(from));
          assert.deepEqual(await collect(store, prefix, BigInt(from), expected.length), expected);
        }
      }),
      { numRuns: 60 },
    );
  });
}

const keys = (entries: readonly Entry[]): string[] => entries.map((e) => e.key);

/** The first `count` batches of a watch, or fewer if it ends. */
async function collect(
  store: Store,
  prefix: string,
  from: bigint,
  count: number,
  signal?: AbortSignal,
): Promise<Batch[]> {
  const out: Batch[] = [];
  if (count === 0) return out;
  for await (const batch of store.watch(prefix, from, signal)) {
    out.push(batch);
    if (out.length === count) break;
  }
  return out;
}
