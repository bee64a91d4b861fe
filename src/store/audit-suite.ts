/** What every driver's audit log must do. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { AuditEntry, AuditFilter, AuditRow, AuditSlice } from './audit-contract.ts';
import type { Store } from './contract.ts';

type Open = (now?: () => number) => Promise<Store>;

const row = (record: string, about: Partial<AuditRow> = {}): AuditRow => ({
  refused: false,
  who: 'user:ann',
  inside: false,
  record,
  ...about,
});
const put = (key: string, value = '1') => ({ put: { key, value } });
const records = (entries: readonly AuditEntry[]): string[] => entries.map(({ record }) => record);
const all: AuditSlice = { limit: 1000, after: 0 };
const read = async (store: Store, filter: AuditFilter = {}, slice: AuditSlice = all): Promise<string[]> =>
  records((await store.audit.read(filter, slice)).entries);
const tell = () => row('forgotten', { who: 'controller' });

export function auditContract(name: string, open: Open): void {
  describe(`the audit log of the store ${name}`, () => {
    appending(open);
    reading(open);
    forgetting(open);
  });
}

function appending(open: Open): void {
  it('has the rows of a write with its revision and time, in order, and none of a write that does not happen', async () => {
    let now = 1000;
    await using store = await open(() => now++);
    const write = (audit: AuditRow[], key: string, exists?: boolean) =>
      store.txn({ ...(exists !== undefined && { compare: [{ key, exists }] }), ops: [put(key)], audit });
    await write([row('1'), row('2')], '/a');
    await write([row('refused by its condition')], '/a', false);
    await store.txn({ ops: [{ delete: '/none' }], audit: [row('changes nothing')] });
    await assert.rejects(store.txn({ ops: [put('/b')], audit: [row(undefined as never)] }));
    await write([row('3')], '/b', false);
    const { entries } = await store.audit.read({}, all);
    assert.deepEqual(
      entries.map(({ id, atMs, revision, record }) => [id, atMs, revision, record]),
      [
        [1, 1000, 1n, '1'],
        [2, 1000, 1n, '2'],
        [3, entries[2]!.atMs, 2n, '3'],
      ],
    );
    assert.deepEqual((await store.get('/b'))?.modRevision, 2n, 'what could not be recorded was not written');
    assert.equal(await store.writtenAt(2n), entries[2]!.atMs);
  });

  it('appends refusals without a revision, and never goes back in time', async () => {
    const clock = [500, 300, 600];
    await using store = await open(() => clock.shift()!);
    await store.audit.append([row('1', { refused: true })]);
    await store.audit.append([row('2', { refused: true })]);
    await store.audit.append([row('3', { refused: true })]);
    const { entries } = await store.audit.read({}, all);
    assert.deepEqual(
      entries.map(({ atMs, revision }) => [atMs, revision]),
      [500, 500, 600].map((ms) => [ms, undefined]),
    );
    assert.equal((await store.extent()).revision, 0n);
    assert.deepEqual(await store.range('/'), { revision: 0n, entries: [] });
  });

  it('keeps parallel writes in the order of their revisions', async () => {
    await using store = await open();
    const writes = Array.from({ length: 50 }, (_, i) => store.txn({ ops: [put(`/k${i}`)], audit: [row(String(i))] }));
    const revisions = (await Promise.all(writes)).map(({ revision }) => revision);
    const { entries } = await store.audit.read({}, all);
    assert.deepEqual(
      entries.map(({ revision }) => revision),
      revisions.toSorted((a, b) => Number(a - b)),
    );
    for (const { record, revision } of entries) assert.equal(revisions[Number(record)], revision);
  });
}

function reading(open: Open): void {
  it('finds rows by each thing that it is given', async () => {
    let now = 0;
    await using store = await open(() => now);
    const rows = [
      row('0', { tenant: 't1', kind: 'port', object: 'id1', name: 'db', request: 'r1' }),
      row('1', { tenant: 't2', kind: 'port', object: 'id2', name: 'db', who: 'host:h1' }),
      row('2', { tenant: 't1', kind: 'network', name: 'web', refused: true, inside: true }),
      row('3', { who: 'controller' }),
      row('4', { who: 'root@c:1' }),
    ];
    for (const each of rows) {
      now += 10;
      await store.audit.append([each]);
    }
    const found = async (filter: AuditFilter) => (await read(store, filter)).join('');
    assert.equal(await found({}), '01234');
    assert.equal(await found({ tenants: ['t1'] }), '02');
    assert.equal(await found({ tenants: ['t1', 't2'] }), '012');
    assert.equal(await found({ tenants: [] }), '');
    assert.equal(await found({ who: 'ann' }), '02');
    assert.equal(await found({ who: 'user:ann' }), '02');
    assert.equal(await found({ who: 'h1' }), '1');
    assert.equal(await found({ who: 'controller' }), '3');
    assert.equal(await found({ who: 'root@c:1' }), '4');
    assert.equal(await found({ who: 'ann', inside: true }), '2');
    assert.equal(await found({ kind: 'port' }), '01');
    assert.equal(await found({ kind: 'port', object: 'db', tenants: ['t2'] }), '1');
    assert.equal(await found({ object: 'id1' }), '0');
    assert.equal(await found({ refused: true }), '2');
    assert.equal(await found({ refused: false }), '0134');
    assert.equal(await found({ request: 'r1' }), '0');
    assert.equal(await found({ sinceMs: 20 }), '1234');
    assert.equal(await found({ sinceMs: 21, untilMs: 40 }), '2');
    assert.equal(await found({ sinceMs: 51 }), '');
    assert.equal(await found({ untilMs: 10 }), '');
    for (const sql of ["' OR 1=1 --", '%', 't1" OR "a'])
      assert.equal(
        (await found({ object: sql })) + (await found({ tenants: [sql] })) + (await found({ who: sql })),
        '',
      );
  });

  it('pages through them both ways, without a row twice or left out', async () => {
    await using store = await open();
    const texts = Array.from({ length: 25 }, (_, i) => String(i));
    for (const text of texts) await store.audit.append([row(text, { refused: Number(text) % 3 === 0 })]);
    for (const filter of [{}, { refused: true }, { refused: false }] as const) {
      const upward: string[] = [];
      for (let after = 0, more = true; more; ) {
        const { entries, at } = await store.audit.read(filter, { limit: 4, after });
        upward.push(...records(entries));
        after = at;
        more = entries.length === 4;
      }
      const downward: string[] = [];
      for (let before: number | undefined, more = true; more; ) {
        const { entries, at } = await store.audit.read(filter, { limit: 4, ...(before !== undefined && { before }) });
        downward.push(...records(entries));
        before = at;
        more = entries.length === 4;
      }
      assert.deepEqual(upward, await read(store, filter));
      assert.deepEqual(downward, upward.toReversed());
    }
  });

  it('watches from a row on through those that come, only what matches, until the signal or the end', async () => {
    const store = await open();
    for (const text of ['0', '1', '2']) await store.audit.append([row(text, { tenant: text === '2' ? 't2' : 't1' })]);
    const seen = (stop: AbortSignal | undefined, count: number) => collect(store, { tenants: ['t1'] }, 1, count, stop);
    const first = seen(undefined, 3);
    await store.txn({ ops: [put('/a')], audit: [row('3', { tenant: 't1' }), row('4', { tenant: 't2' })] });
    await store.audit.append([row('5', { tenant: 't1', refused: true })]);
    assert.deepEqual(await first, ['1', '3', '5']);
    const stop = new AbortController();
    const [aborted, closed] = [seen(stop.signal, 9), seen(undefined, 9)];
    stop.abort();
    assert.deepEqual(await aborted, ['1', '3', '5']);
    await store[Symbol.asyncDispose]();
    assert.deepEqual(await closed, ['1', '3', '5']);
  });
}

function forgetting(open: Open): void {
  it('forgets each sort by its own age and size, the oldest first, and tells of it in the same moment', async () => {
    let now = 0;
    await using store = await open(() => now);
    for (let i = 0; i < 10; i++) {
      now = 10 * i;
      await store.audit.append([row(`w${i}`), row(`r${i}`, { refused: true })]);
    }
    const forget = (refused: boolean, olderThanMs: number, bytes = 1e9, upTo = 1e9) =>
      store.audit.forget({ refused, tenant: undefined, olderThanMs, bytes, upTo }, ({ count, firstAtMs, lastAtMs }) =>
        row(`${count} from ${firstAtMs} to ${lastAtMs}`),
      );
    assert.equal(await forget(true, 0), undefined);
    assert.equal(await forget(true, 25, 0, 1), undefined, 'nothing behind an id');
    assert.deepEqual(await forget(true, 25), { count: 3, firstAtMs: 0, lastAtMs: 20 });
    assert.equal((await read(store, { refused: true })).at(0), 'r3');
    assert.equal((await read(store, { refused: false })).join(' '), 'w0 w1 w2 w3 w4 w5 w6 w7 w8 w9 3 from 0 to 20');
    const kept = async () => (await store.audit.extent()).sorts.find(({ refused }) => refused);
    const refused = (await kept())!;
    assert.deepEqual(refused.forgotten, { count: 3, id: 6, atMs: 20 });
    assert.deepEqual(await forget(true, 0, refused.bytes - 1), { count: 1, firstAtMs: 30, lastAtMs: 30 });
    assert.deepEqual(await forget(true, 0, 0), { count: 6, firstAtMs: 40, lastAtMs: 90 });
    assert.equal((await kept())?.bytes, 0);
    assert.equal((await read(store, { refused: false })).slice(0, 2).join(), 'w0,w1', 'the others stay');
  });

  it('bounds each tenant’s rows apart, and counts those as one of which nothing is kept', async () => {
    await using store = await open(() => 7);
    for (const tenant of ['t1', 't2', undefined])
      await store.audit.append([row(`${tenant}`, { tenant }), row('x', { tenant })]);
    const forget = (tenant: string | undefined) =>
      store.audit.forget({ refused: false, tenant, olderThanMs: 9, bytes: 0, upTo: 6 }, tell);
    const sorts = async () =>
      (await store.audit.extent()).sorts
        .map(({ tenant = '-', bytes, forgotten: { count, id } }) => `${tenant}: ${bytes > 0} ${count} ${id}`)
        .sort();
    assert.deepEqual(await sorts(), ['-: true 0 0', 't1: true 0 0', 't2: true 0 0']);
    assert.deepEqual(await forget('t2'), { count: 2, firstAtMs: 7, lastAtMs: 7 });
    assert.deepEqual(await sorts(), ['-: true 0 0', ': false 2 4', 't1: true 0 0']);
    assert.equal((await read(store)).join(' '), 't1 x undefined x forgotten');
    assert.equal((await forget('t1'))?.count, 2);
    assert.deepEqual(await sorts(), ['-: true 0 0', ': false 4 4']);
    await store.audit.append([row('again', { tenant: 't1' })]);
    assert.deepEqual(await sorts(), ['-: true 0 0', ': false 4 4', 't1: true 0 0']);
    assert.equal((await forget(undefined))?.count, 2);
    assert.equal((await read(store)).join(' '), 'forgotten forgotten again forgotten');
  });

  it('goes on with its numbers when all is forgotten', async () => {
    await using store = await open();
    await store.audit.append([row('1', { refused: true })]);
    const last = async () => (await store.audit.read({}, { limit: 1 })).entries[0]!.id;
    await store.audit.forget({ refused: true, tenant: undefined, olderThanMs: 0, bytes: 0, upTo: 9 }, tell);
    await store.audit.forget(
      { refused: false, tenant: undefined, olderThanMs: Number.MAX_SAFE_INTEGER, bytes: 0, upTo: 9 },
      tell,
    );
    assert.equal(await last(), 3);
  });

  it('says to who follows that something went before it could be given', async () => {
    let now = 5;
    await using store = await open(() => now);
    for (let i = 0; i < 3; i++) await store.audit.append([row(String(i))]);
    now = 9;
    await store.audit.append([row('new')]);
    await store.audit.forget({ refused: false, tenant: undefined, olderThanMs: 9, bytes: 1e9, upTo: 9 }, tell);
    const first = async (after: number, filter: AuditFilter = {}) => {
      for await (const { entries, forgottenAtMs } of store.audit.watch(filter, after))
        return [forgottenAtMs, records(entries).join(' ')];
      return [];
    };
    assert.deepEqual(await first(0), [5, 'new forgotten']);
    assert.deepEqual(await first(2), [5, 'new forgotten']);
    assert.deepEqual(await first(3), [undefined, 'new forgotten']);
    assert.deepEqual(await first(0, { sinceMs: 6 }), [undefined, 'new forgotten']);
  });
}

/** The first `count` records of a watch, or fewer if it ends. */
async function collect(store: Store, filter: AuditFilter, after: number, count: number, signal?: AbortSignal) {
  const out: string[] = [];
  for await (const { entries } of store.audit.watch(filter, after, signal)) {
    out.push(...records(entries));
    if (out.length >= count) break;
  }
  return out;
}
